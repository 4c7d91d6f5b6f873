from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from morl import registry
from morl.errors import EnvError, MorlError
from morl.registry import EnvCard, Objective, Protocol

GAIN, COST = Objective("gain", "units", "more"), Objective("cost", "units", "less", cost=True)
USUAL = Protocol("usual", 0.9, (0.0, -1.0), "here")


def card(**changes: Any) -> EnvCard:
    return EnvCard(
        **{
            "id": "toy-v0",
            "objectives": (GAIN, COST),
            "protocols": (USUAL,),
            "default_protocol": "usual",
            **changes,
        }
    )


@pytest.fixture
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_cards", {})
    monkeypatch.setattr(registry, "_ran", set())
    monkeypatch.setattr(registry, "entry_points", lambda group: [])


def test_a_registered_card_is_found_by_both_ids(empty_registry: None) -> None:
    registry.register_card(card())
    assert registry.get_card("toy-v0") is registry.get_card("morl/toy-v0") is registry.cards()["toy-v0"]
    assert registry.get_card("other-v0") is None


def test_an_id_has_one_card(empty_registry: None) -> None:
    registry.register_card(card())
    registry.register_card(card())
    with pytest.raises(EnvError, match="has another card already"):
        registry.register_card(card(description="another"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"default_protocol": "unusual"}, "default protocol of toy-v0 in \\['usual'\\], got 'unusual'"),
        ({"objectives": (GAIN,)}, "reference point with 1 numbers in protocol 'usual'"),
        ({"front_kind": "planned"}, "a front and its front_kind, or neither"),
        ({"front": lambda gamma: np.zeros((1, 2))}, "a front and its front_kind, or neither"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        card(**changes)


def test_protocols_by_name() -> None:
    other = Protocol("other", 1.0, (0.0, 0.0), "there")
    both = card(protocols=(USUAL, other))
    assert both.protocol() is USUAL and both.protocol("other") is other
    with pytest.raises(EnvError, match=r"no protocol 'othr'. Did you mean 'other'\?"):
        both.protocol("othr")


def test_the_linear_front_leaves_out_what_no_weights_ask_for() -> None:
    front = np.array([[0.0, 1.0], [0.2, 0.2], [1.0, 0.0]])
    concave = card(front=lambda gamma: front * gamma, front_kind="closed form")
    linear = concave.linear_front(0.5)
    assert linear is not None
    np.testing.assert_allclose(linear, [[0.0, 0.5], [0.5, 0.0]])
    assert card().linear_front(0.5) is None


def test_discount_is_the_given_the_protocol_s_or_the_default(empty_registry: None) -> None:
    registry.register_card(card())
    assert registry.discount("toy-v0", 0.5) == 0.5
    assert registry.discount("toy-v0", None) == 0.9
    assert registry.discount("unknown-v0") == 0.99


@pytest.mark.parametrize("gamma", [0.0, -0.1, 1.1, float("nan"), "high"])
def test_a_discount_outside_its_range_is_refused(gamma: Any) -> None:
    with pytest.raises(MorlError, match=r"in \(0, 1\]"):
        registry.discount("toy-v0", gamma)
    with pytest.raises(MorlError, match=r"in \(0, 1\]"):
        Protocol("p", gamma, (0.0,), "s")


def test_agents_are_found_by_name_and_by_path() -> None:
    names = registry.agent_names()
    assert {"envelope-dqn", "conditioned-ppo", "random", "single-objective"} <= set(names)
    found = registry.agent_class("random")
    path = f"{found.__module__}:{found.__qualname__}"
    assert registry.agent_class(path) is found
    assert registry.agent_path(found) == "random"
    assert registry.agent_path(Path) == f"{Path.__module__}:Path"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("envelop-dqn", r"Did you mean 'envelope-dqn'\? Known agents: .*random"),
        ("no_such_module:Agent", "no 'no_such_module'"),
        ("morl.no_such_module:Agent", "no 'morl.no_such_module'"),
        ("pathlib:Pth", "has no 'Pth'. Did you mean 'Path'"),
        ("pathlib:", "expected module:Class"),
        ("os:sep", "an agent class, got a str"),
    ],
)
def test_wrong_agents_are_explained(path: str, message: str) -> None:
    with pytest.raises(MorlError, match=message):
        registry.agent_class(path)


def test_an_error_inside_a_module_passes_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "module_with_a_missing_import.py").write_text("import package_that_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="package_that_is_not_there"):
        registry.resolve("module_with_a_missing_import:Thing")


def test_resolve_reaches_into_attributes() -> None:
    assert registry.resolve("pathlib:Path.cwd") == Path.cwd


def test_installed_packages_register_once_and_a_broken_one_harms_nobody(
    empty_registry: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "package_with_cards.py").write_text(
        "from morl.registry import EnvCard, Objective, Protocol, register_card\n"
        "def register():\n"
        "    register_card(EnvCard(id='their-v0', objectives=(Objective('a', 'b', 'c'),),\n"
        "        protocols=(Protocol('p', 1.0, (0.0,), 's'),), default_protocol='p'))\n"
        "def fail():\n"
        "    raise RuntimeError('broken package')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    points = [EntryPoint(name, f"package_with_cards:{name}", "morl.cards") for name in ("fail", "register")]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "morl.cards" else [])
    with pytest.warns(UserWarning, match="broken package"):
        assert list(registry.cards()) == ["their-v0"]
    assert list(registry.cards()) == ["their-v0"]  # no second warning


def test_knowing_names_does_not_need_torch() -> None:
    code = (
        "import sys; from morl import registry; registry.agent_names(); registry.discount('x', 0.9); "
        "print('torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_suggestions_need_likeness() -> None:
    assert registry.suggest("minecrat-v0", ["minecart-v0", "hopper-v5"]) == " Did you mean 'minecart-v0'?"
    assert registry.suggest("nope-v0", ["minecart-v0", "hopper-v5"]) == ""
