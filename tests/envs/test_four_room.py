"""The batched four rooms against MO-Gymnasium's, step by step, with the same starts; and their exact front."""

from __future__ import annotations

import random
from typing import Any

import mo_gymnasium
import numpy as np
import pytest
import torch
from beside import record, run_freely, take_each_step
from mo_gymnasium.envs.four_room.four_room import MAZE as ORIGINAL_MAZE

from morl.envs.four_room import KINDS, MAZE, MOVES, FourRoom, read_maze
from morl.envs.four_room_front import front, plan
from morl.envs.grids import next_cells
from morl.envs.make import make_vec
from morl.envs.originals import make_original
from morl.envs.pareto_induction import pareto_front
from morl.envs.planning import enumerate_model
from morl.errors import EnvError

ROWS, STEPS = 48, 220
WIDE = ("_1 X2 _ ", " X  1X G", "_ 33 2? ")
PLAIN = (" _", "XG", "  ")
CASES: list[dict[str, Any]] = [
    {},
    {"maze": WIDE, "max_episode_steps": 30},
    {"maze": np.array([list(r) for r in PLAIN]), "max_episode_steps": 20},
]


Cell = tuple[int, int]
known: dict[tuple[bytes, Cell], dict[Cell, int]] = {}


def steps_from(original: Any, target: Cell) -> dict[Cell, int]:
    """How far each free cell is from `target`."""
    key = (original.maze.tobytes(), target)
    if key not in known:
        steps, frontier = {target: 0}, [target]
        for cell in frontier:
            for down, right in MOVES:
                near = (cell[0] + down, cell[1] + right)
                inside = 0 <= near[0] < original.height and 0 <= near[1] < original.width
                if inside and near not in original.occupied and near not in steps:
                    steps[near] = steps[cell] + 1
                    frontier.append(near)
        known[key] = steps
    return known[key]


def toward(original: Any, target: Cell) -> int:
    """The first action of a shortest way to `target`."""
    cell, _ = original.state
    steps = steps_from(original, target)
    near = [steps.get((cell[0] + down, cell[1] + right), 10**6) for down, right in MOVES]
    return int(np.argmin(near))


def act(row: int, original: Any, rng: np.random.Generator) -> int:
    """A sixth of the rows each: see the scripts."""
    cell, collected = original.state
    left = [place for place, shape in original.shape_ids.items() if not collected[shape] and place != cell]
    kind = [place for place in left if original.maze[place] == KINDS[row // 6 % 3]]

    def nearest(places: list[Cell]) -> int:
        steps = steps_from(original, cell)
        reachable = [place for place in places if place in steps]
        return toward(original, min(reachable, key=steps.__getitem__, default=original.goal))

    if row % 6 == 0:
        return int(rng.integers(4))
    if row % 6 == 1:
        return nearest([])  # to the goal
    if row % 6 == 2:
        return nearest(left)  # all, then the goal
    if row % 6 == 3:
        return nearest(kind)  # one kind, then the goal
    if row % 6 == 4:
        return row // 6 % 4  # against a wall until time is up
    return int(rng.integers(4)) if rng.random() < 0.3 else nearest(left)


@pytest.mark.parametrize("arguments", CASES)
def test_equals_the_original(arguments: dict[str, Any]) -> None:
    grid = read_maze(arguments.get("maze", MAZE))
    columns = grid.shape[1]
    steps = STEPS // 2 if arguments else STEPS
    recording = record(
        lambda: make_original("four-room-v0", **arguments),
        lambda original: [
            original.state[0][0] * columns + original.state[0][1],
            sum(int(taken) << shape for shape, taken in enumerate(original.state[1])),
        ],
        act,
        noise=np.zeros((steps, ROWS)),
        starts=np.random.default_rng(5).integers((grid == "_").sum(), size=(steps + 1, ROWS)),
    )
    assert recording.action.size >= 10_000 or arguments
    # Guards the comparison: the goal, the time limit, every start, and every shape that can be reached.
    assert recording.terminated.any() and recording.truncated.any()
    collected = np.bitwise_or.reduce(recording.after[..., 1].astype(np.int64), axis=None)
    assert collected == (1 << np.isin(grid, list(KINDS)).sum()) - 1
    assert {0.0, 1.0, 3.0} - set(recording.reward.sum(axis=-1).ravel()) <= ({1.0} if grid.size < 9 else set())
    assert set(recording.starts.ravel()) == set(range((grid == "_").sum()))
    env = FourRoom(ROWS, dtype=torch.float64, **arguments)
    assert run_freely(env, recording, atol=0, reward_rtol=0) == 0
    take_each_step(lambda n: FourRoom(n, **arguments), recording, atol=0)


def test_the_default_maze_is_the_originals() -> None:
    np.testing.assert_array_equal(read_maze(MAZE), ORIGINAL_MAZE)


@pytest.mark.parametrize("arguments", CASES)
def test_spaces_are_the_originals_or_hold_more(arguments: dict[str, Any]) -> None:
    given = {**arguments, "maze": read_maze(arguments.get("maze", MAZE))}
    bare = mo_gymnasium.make("four-room-v0", **given)
    for backend in ("batched", "original"):
        env = make_vec("four-room-v0", 2, backend=backend, **arguments)
        assert env.single_action_space == bare.action_space
        assert env.reward_space == bare.get_wrapper_attr("reward_space")
        wide = arguments.get("maze") is WIDE
        assert (env.single_observation_space == bare.observation_space) != wide
        env.reset(seed=0)
        for _ in range(20):
            obs = env.step(torch.tensor([2, 3]))[0]
            assert env.single_observation_space.contains(obs[0].numpy())


def test_a_wide_maze_leaves_the_originals_space() -> None:
    bare: Any = mo_gymnasium.make(
        "four-room-v0", maze=read_maze(("_    ", "    G")), disable_env_checker=True
    )
    bare.reset(seed=0)
    assert not bare.observation_space.contains([bare.step(2)[0] for _ in range(4)][-1])


@pytest.mark.parametrize("backend", ["batched", "original"])
def test_a_seed_draws_the_starts(backend: str) -> None:
    """In the original Python's global generator does, so a seed changes nothing."""
    env = make_vec("four-room-v0", 64, backend=backend, maze=WIDE)
    first, _ = env.reset(seed=1)
    assert len(first.unique(dim=0)) == 3
    random.seed(7)
    assert torch.equal(env.reset(seed=1)[0], first)
    assert not torch.equal(env.reset(seed=2)[0], first)
    bare: Any = mo_gymnasium.make("four-room-v0", maze=read_maze(WIDE), disable_env_checker=True)
    random.seed(0)
    assert len({tuple(bare.reset(seed=1)[0]) for _ in range(64)}) == 3


MAZES = (
    ("_1 ", "2 3", " 1G"),
    ("1_2", "X 3", "  G"),
    ("_ 2X3", "1X  1", "    G"),
    ("_1X2", "X G3"),
    ("_2", "X1", "GX"),
)


@pytest.mark.parametrize("maze", MAZES)
@pytest.mark.parametrize(("gamma", "limit"), [(0.7, 30), (1.0, 24), (0.9, 7)])
def test_the_front_is_what_backward_induction_finds(maze: tuple[str, ...], gamma: float, limit: int) -> None:
    model = enumerate_model(FourRoom(1, maze=maze, max_episode_steps=limit, dtype=torch.float64))
    expected = pareto_front(model, gamma)
    points = plan(read_maze(maze), gamma, limit=limit)
    assert points.shape == expected.shape
    np.testing.assert_allclose(sorted(points.tolist()), sorted(expected.tolist()), atol=1e-10)


def test_the_default_mazes_front_is_as_large_as_it_was_when_checked() -> None:
    assert [len(front(gamma)) for gamma in (0.95, 1.0)] == [652, 1]
    np.testing.assert_allclose(front(1.0), [[5, 5, 5]])


@pytest.mark.slow
def test_the_default_mazes_front_for_some_weights() -> None:
    """Value iteration over all cells and all sets of shapes, 692,224 states, for each weights."""
    grid, gamma = read_maze(MAZE), 0.95
    points = front(gamma)
    env = FourRoom(1, dtype=torch.float64)
    shape = torch.where(env.shapes.any(dim=1), env.shapes.int().argmax(dim=1), -1)
    sets = torch.arange(2**12)
    following = torch.tensor(next_cells(grid != "X", MOVES)).reshape(-1, len(MOVES))
    start, goal = int(env.starts), int(env.is_goal.int().argmax())
    for weights in torch.tensor([[0.2, 0.5, 0.3], [0.05, 0.05, 0.9]], dtype=torch.float64):
        entering = torch.zeros(grid.size, 2**12, dtype=torch.float64)
        for _ in range(110):
            worth = torch.stack([entering[following[:, action]] for action in range(len(MOVES))]).amax(dim=0)
            entering = gamma * worth
            for cell in torch.nonzero(shape >= 0).flatten().tolist():
                bit = 1 << int(shape[cell])
                pays = (env.pays[cell] @ weights) * (sets & bit == 0)
                entering[cell] = pays + gamma * worth[cell][sets | bit]
            entering[goal] = weights.sum()
        best = float(entering[following[start], 0].max())
        assert float((torch.tensor(points) @ weights).max()) == pytest.approx(best, abs=1e-10)


@pytest.mark.parametrize("backend", ["batched", "original"])
@pytest.mark.parametrize(
    ("maze", "message"),
    [
        (("_ ", "G"), "equally long rows"),
        ((), "equally long rows"),
        (("  ", " G"), "got 0 starts and 1 goals"),
        (("_G", " G"), "got 1 starts and 2 goals"),
        (("_4", " G"), "one kind for each objective, got also 4"),
    ],
)
def test_a_wrong_maze_is_refused(backend: str, maze: tuple[str, ...], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        make_vec("four-room-v0", backend=backend, maze=maze)
