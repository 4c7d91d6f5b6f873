"""The built wheel holds every file of the four folders, and adds nothing but `morl` to site-packages."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {"morl": "morl", "envs": "morl/envs", "agents": "morl/agents", "baselines": "morl/baselines"}


def build(scratch: Path) -> zipfile.ZipFile:
    """Build the wheel from a copy of the tree, so that neither this checkout nor an old build/ takes part."""
    source = scratch / "source"
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(scratch), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = scratch.glob("morl-*.whl")
    return zipfile.ZipFile(wheel)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return build(tmp_path_factory.mktemp("wheel"))


def in_tree() -> set[str]:
    """Return the wheel names of everything in the four folders: code, data and markers."""
    return {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, package in FOLDERS.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }


def test_the_wheel_holds_exactly_what_the_tree_holds(wheel: zipfile.ZipFile) -> None:
    packaged = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packaged == in_tree()


def test_nothing_but_morl_lands_in_site_packages(wheel: zipfile.ZipFile) -> None:
    roots = {name.split("/")[0] for name in wheel.namelist()}
    assert sorted(root for root in roots if not root.endswith(".dist-info")) == ["morl"]


def test_every_package_is_listed_and_typed(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    for package in ("morl", "morl/cli", "morl/envs", "morl/agents", "morl/baselines"):
        assert f"{package}/__init__.py" in names
    assert "morl/py.typed" in names


def test_the_metadata_says_what_users_rely_on(wheel: zipfile.ZipFile) -> None:
    (info,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    metadata = message_from_bytes(wheel.read(f"{info}/METADATA"))
    assert metadata["Name"] == "morl"
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert f"{info}/licenses/LICENSE" in wheel.namelist()


def test_every_entry_point_names_a_module_of_the_wheel(wheel: zipfile.ZipFile) -> None:
    (listing,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    entries = configparser.ConfigParser()
    entries.read_string(wheel.read(listing).decode())
    assert set(entries) >= {"console_scripts", "gymnasium.envs", "morl.agents"}
    names = wheel.namelist()
    for group in set(entries) - {"DEFAULT"}:
        for target in entries[group].values():
            module = target.split(":")[0].replace(".", "/")
            assert f"{module}.py" in names or f"{module}/__init__.py" in names, target
