"""The fronts on file: found again, as closed forms say, earned by their plans; and the command for them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from morl.baselines import exact
from morl.baselines.exact import library
from morl.baselines.exact.__main__ import main
from morl.baselines.exact.library import Entry, entries, on_file
from morl.envs import stored_fronts
from morl.envs.make import make_vec
from morl.envs.originals import make_original
from morl.envs.stored_fronts import StoredFront, read_fronts, to_json
from morl.errors import CheckpointError, MorlError
from morl.indicators import hypervolume
from morl.registry import get_card

ROOT = Path(__file__).parents[2]
QUICK = [entry for entry in entries() if entry.quick]


def rows(points: np.ndarray) -> np.ndarray:
    """Sorted, so that sets can be compared."""
    return points[np.lexsort(points.round(8).T)]


@pytest.mark.parametrize("entry", QUICK, ids=str)
def test_a_front_is_found_again(entry: Entry) -> None:
    known, found = on_file(entry), entry.find(lambda line: None)
    np.testing.assert_allclose(rows(known.points), rows(found.points), atol=1e-9)
    for name in ("optimal_among", "method", "exact", "states", "kind", "arguments"):
        assert getattr(known, name) == getattr(found, name), name


def test_the_files_hold_what_the_command_writes_and_no_more() -> None:
    listed = [str(entry) for entry in entries()]
    assert len(set(listed)) == len(listed)
    for path in sorted(stored_fronts.FOLDER.iterdir()):
        document = json.loads(path.read_text())
        assert document["env_id"] == path.stem and {"morl", "torch"} <= set(document["versions"])
        assert document["written_by"].startswith("python -m morl.baselines.exact")
        assert len(read_fronts(path.stem)) == sum(entry.env_id == path.stem for entry in entries())


@pytest.mark.parametrize(
    ("env_id", "gamma", "reference", "volume"),
    [
        ("deep-sea-treasure-v0", 0.99, (0, -50), 854.85),
        ("deep-sea-treasure-concave-v0", 0.99, (0, -50), 3688.38),
        ("deep-sea-treasure-mirrored-v0", 0.99, (0, -50), 3688.38),
        ("fruit-tree-v0", 0.99, (-1,) * 6, 46034.80),
    ],
)
def test_published_hypervolumes(
    env_id: str, gamma: float, reference: tuple[float, ...], volume: float
) -> None:
    front = exact.load(env_id, gamma=gamma)
    assert hypervolume(front.returns, reference_point=reference) == pytest.approx(volume, abs=0.006)


@pytest.mark.parametrize("entry", [e for e in QUICK if e.kind == "pareto"], ids=str)
def test_the_card_has_the_same_front(entry: Entry) -> None:
    card = get_card(entry.env_id)
    assert card is not None and card.front is not None
    if entry.arguments:
        from morl.envs.fruit_tree import front

        points = front(entry.gamma, **entry.arguments)
    else:
        points = card.front(entry.gamma)
    np.testing.assert_allclose(rows(points), rows(on_file(entry).points), atol=1e-9)


def test_a_hull_is_that_of_the_full_front() -> None:
    for gamma in (0.9, 0.95):
        full = exact.load("resource-gathering-v0", gamma=gamma)
        hull = exact.load("resource-gathering-v0", gamma=gamma, kind="hull")
        weights = np.random.default_rng(0).dirichlet(np.ones(3), 500)
        np.testing.assert_allclose(
            (full.returns @ weights.T).max(axis=0), (hull.returns @ weights.T).max(axis=0), atol=1e-9
        )
        assert len(hull) < len(full)


def test_fishing_is_a_line_whose_ends_are_the_hull() -> None:
    card = get_card("fishwood-v0")
    assert card is not None and card.front is not None
    line = card.front(0.99)
    np.testing.assert_allclose(rows(exact.load("fishwood-v0", gamma=0.99).returns), rows(line[[0, -1]]))


PLANNED = [
    entry
    for entry in QUICK
    if entry.with_plans and (entry.env_id.startswith("deep") or entry.env_id.startswith("fruit"))
]


@pytest.mark.parametrize("entry", PLANNED, ids=str)
def test_plans_earn_their_points_in_the_original(entry: Entry) -> None:
    front = on_file(entry)
    original = make_original(entry.env_id, **entry.arguments)
    assert front.plans is not None
    for point, plan in zip(front.points, front.plans, strict=True):
        original.reset(seed=0)
        total, over = np.zeros(len(point)), False
        for time, letter in enumerate(plan):
            assert not over
            _, reward, over, *_ = original.step(int(letter))
            total += entry.gamma**time * np.array(reward)
        assert over
        np.testing.assert_allclose(total, point, atol=1e-6)  # the originals pay in float32


@pytest.mark.parametrize("gamma", [0.9, 0.95])
def test_plans_past_enemies_earn_their_points_on_average(gamma: float) -> None:
    front = stored_fronts.find_front("resource-gathering-v0", gamma)
    assert front is not None and front.plans is not None
    copies = 20_000
    for point, plan in zip(front.points, front.plans, strict=True):
        env = make_vec("resource-gathering-v0", copies, dtype=torch.float64)
        env.reset(seed=1)
        total, alive = torch.zeros(copies, 3, dtype=torch.float64), torch.ones(copies, dtype=torch.bool)
        for time, letter in enumerate(plan):
            *_, reward, terminated, truncated, _ = env.step(torch.full((copies,), int(letter)))
            total += alive.unsqueeze(1) * gamma**time * reward
            alive &= ~(terminated | truncated)
        assert not alive.any()
        error = total.std(dim=0).numpy() / copies**0.5
        assert (np.abs(total.mean(dim=0).numpy() - point) <= 5 * error + 1e-7).all()  # float32 rewards


def test_the_published_front_of_resource_gathering_is_dominated() -> None:
    """MO-Gymnasium#104: its rewards are discounted once too often, and the safe way to both is missing."""
    original: Any = make_original("resource-gathering-v0").unwrapped
    published, reference = np.array(original.pareto_front(0.95)), (-1, -1, -2)
    ours = exact.load("resource-gathering-v0", gamma=0.95).returns
    assert hypervolume(published, reference_point=reference) == pytest.approx(3.8586, abs=5e-5)
    assert hypervolume(published / 0.95, reference_point=reference) == pytest.approx(3.9656, abs=5e-5)
    assert hypervolume(ours, reference_point=reference) == pytest.approx(3.9785, abs=5e-5)
    late = published / 0.95
    assert ((ours[None] >= late[:, None] - 1e-9).all(axis=2)).any(axis=1).all()


def test_loading_says_what_there_is() -> None:
    front = exact.load("fruit-tree-v0", gamma=1.0, depth=5)
    assert (len(front), front.role, front.gamma) == (32, "exact", 1.0)
    assert front.optimal_among == "deterministic, history-independent policies (SER)"
    np.testing.assert_array_equal(
        exact.load("fruit-tree-v0", depth=6).returns, exact.load("fruit-tree-v0").returns
    )
    with pytest.raises(MorlError, match=r"on file for gamma=0\.99, found"):
        exact.load("deep-sea-treasure-v0", max_episode_steps=3)
    with pytest.raises(MorlError, match="depth of 5, 6 or 7"):
        exact.load("fruit-tree-v0", depth=4)
    with pytest.raises(MorlError, match=r"for gamma=0.7, found gamma=0.99 \(pareto\)"):
        exact.load("fruit-tree-v0", gamma=0.7)
    with pytest.raises(MorlError, match="found none at all"):
        exact.load("mo-mountaincar-v0")


def test_a_front_that_is_only_the_best_known_says_so() -> None:
    assert exact.load("minecart-v0").optimal_among == (
        "best known: open-loop plans, which do not look at what was dug (SER)"
    )
    assert "best known" not in str(exact.load("minecart-deterministic-v0").optimal_among)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("points", [[1.0, float("nan")]], "finite points"),
        ("points", [[1.0, 2.0], [3.0]], "inhomogeneous"),
        ("points", [], "finite points"),
        ("points", [1.0, 2.0], "finite points"),
        ("plans", ["1"], "a plan for each of 10 points, got 1"),
        ("more", 1, "unexpected keyword"),
    ],
)
def test_a_damaged_file_gives_no_wrong_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: Any, message: str
) -> None:
    document = json.loads((stored_fronts.FOLDER / "deep-sea-treasure-v0.json").read_text())
    document["fronts"][0][name] = value
    (tmp_path / "deep-sea-treasure-v0.json").write_text(json.dumps(document))
    monkeypatch.setattr(stored_fronts, "FOLDER", tmp_path)
    with pytest.raises(CheckpointError, match=f"is damaged .*{message}.*install morl again"):
        read_fronts("deep-sea-treasure-v0")


def test_every_front_is_a_copy() -> None:
    first = exact.load("deep-sea-treasure-v0").returns
    assert not np.shares_memory(first, exact.load("deep-sea-treasure-v0").returns)
    with pytest.raises(ValueError, match="read-only"):
        read_fronts("deep-sea-treasure-v0")[0].points[0] = 0


def test_the_command_writes_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_fronts("deep-sea-treasure-v0")
    (path,) = library.write(["deep-sea-treasure-v0"], folder=tmp_path)
    monkeypatch.setattr(stored_fronts, "FOLDER", tmp_path)
    after = read_fronts("deep-sea-treasure-v0")
    for one, other in zip(before, after, strict=True):
        same = {f.name for f in dataclasses.fields(StoredFront)} - {"points", "seconds"}
        assert all(getattr(one, name) == getattr(other, name) for name in same)
        np.testing.assert_allclose(one.points, other.points, atol=1e-12)
    assert main(["--check", "deep-sea-treasure-v0"]) == 0
    changed = dataclasses.replace(after[0], points=after[0].points * 1.001)
    path.write_text(to_json("deep-sea-treasure-v0", (changed, *after[1:]), {}))
    stored_fronts._read.cache_clear()
    assert main(["--check", "deep-sea-treasure-v0"]) == 1
    assert "gamma=0.99 pareto differs from the one on file by up to" in capsys.readouterr().out
    path.write_text(path.read_text()[:-100])
    stored_fronts._read.cache_clear()
    with pytest.raises(CheckpointError, match=r"(?s)deep-sea-treasure-v0\.json is damaged.*--write"):
        read_fronts("deep-sea-treasure-v0")
    assert main(["four-room-v0"]) == 2
    assert (
        "is not on file; run python -m morl.baselines.exact --write four-room-v0" in capsys.readouterr().err
    )


def test_the_table_in_the_documentation_is_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    table = capsys.readouterr().out
    assert table.count("\n") == 2 + len(entries())
    assert table in (ROOT / "docs" / "exact-fronts.md").read_text(encoding="utf-8")
    assert main(["deep-sea-treasure-v1"]) == 2
    assert "got 'deep-sea-treasure-v1'" in capsys.readouterr().err
