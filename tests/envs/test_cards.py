"""Cards say of environments what those say of themselves; fronts have the published volumes."""

from __future__ import annotations

import gymnasium
import moocore
import numpy as np
import pytest
import torch

import morl.envs
from morl.envs.check_play import random_actions
from morl.envs.make import make_vec
from morl.registry import NAMESPACE, cards, get_card
from morl.streams import Streams

IDS = sorted(cards())
MODULES = {"mujoco": "mujoco", "box2d": "Box2D"}
"""What an extra of morl makes importable."""


@pytest.mark.parametrize("env_id", IDS)
def test_a_card_fits_its_environments(env_id: str) -> None:
    card = cards()[env_id]
    if card.extra is not None:
        pytest.importorskip(MODULES[card.extra])
    backends = ["original"] * (card.original is not None) + ["batched"] * card.batched
    assert backends
    for backend in backends:
        env = make_vec(env_id, backend=backend)
        assert env.num_objectives == card.num_objectives == len({o.name for o in card.objectives})
        low, high = env.reward_space.low, env.reward_space.high
        said = np.isfinite(low) | np.isfinite(high)  # locomotion declares no bounds at all
        costs = np.array([objective.cost for objective in card.objectives])
        assert (costs == (high <= 0))[said].all()
        env.close()
    assert card.description and card.original in (None, env_id)


def test_every_batched_environment_has_a_card() -> None:
    assert morl.envs.BatchedEnv is not None
    twins = {env_id.removeprefix(NAMESPACE) for env_id in gymnasium.registry if env_id.startswith(NAMESPACE)}
    assert twins == {env_id for env_id, card in cards().items() if card.batched}


@pytest.mark.parametrize("env_id", [env_id for env_id in IDS if cards()[env_id].batched])
def test_what_leaves_nothing_to_chance_says_so(env_id: str) -> None:
    card = cards()[env_id]
    twin = make_vec(env_id, backend="batched")
    streams = Streams(0, 1)
    drawn = [twin.draw_reset_noise(1, streams), twin.draw_step_noise(1, streams)]
    assert card.deterministic == (drawn == [None, None])
    if not card.deterministic or card.original is None:
        return
    one, other = (make_vec(env_id, backend="original") for _ in range(2))
    assert torch.equal(one.reset(seed=1)[0], other.reset(seed=2)[0])
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        action = random_actions(one, generator)
        for mine, theirs in zip(one.step(action)[:4], other.step(action)[:4], strict=True):
            assert torch.equal(mine, theirs)


@pytest.mark.parametrize("env_id", [env_id for env_id in IDS if cards()[env_id].front is not None])
def test_fronts_are_not_dominated_and_beat_their_reference_points(env_id: str) -> None:
    card = cards()[env_id]
    assert card.front is not None
    for protocol in card.protocols:
        front = card.front(protocol.gamma)
        assert front.dtype == np.float64 and front.shape[1] == card.num_objectives
        assert moocore.is_nondominated(front, maximise=True).all()
        assert (front > np.array(protocol.reference_point) - 1e-12).all(axis=1).any()


@pytest.mark.parametrize(
    ("env_id", "gamma", "reference", "volume", "linear_volume"),
    [
        ("deep-sea-treasure-v0", 0.99, (0, -25), 360.40, 360.40),
        ("deep-sea-treasure-v0", 0.99, (0, -50), 854.85, 854.85),
        ("deep-sea-treasure-v0", 1.0, (0, -25), 401.8, 399.7),
        ("deep-sea-treasure-concave-v0", 0.99, (0, -50), 3688.38, 3391.57),
        ("deep-sea-treasure-concave-v0", 1.0, (0, -25), 1155.0, 762.0),
        ("deep-sea-treasure-mirrored-v0", 0.99, (0, -25), 1101.38, 804.57),
        ("minecart-deterministic-v0", 0.98, (-1, -1, -200), 762.70, 720.49),
        ("minecart-deterministic-v0", 1.0, (-1, -1, -200), 996.02, 908.99),
        ("minecart-v0", 0.98, (-1, -1, -200), 727.23, 697.21),
    ],
)
def test_hypervolumes(
    env_id: str, gamma: float, reference: tuple[float, ...], volume: float, linear_volume: float
) -> None:
    card = get_card(env_id)
    assert card is not None and card.front is not None
    linear = card.linear_front(gamma)
    assert linear is not None
    measure = {"ref": np.array(reference, dtype=float), "maximise": True}
    assert moocore.hypervolume(card.front(gamma), **measure) == pytest.approx(volume, abs=0.006)
    assert moocore.hypervolume(linear, **measure) == pytest.approx(linear_volume, abs=0.006)
