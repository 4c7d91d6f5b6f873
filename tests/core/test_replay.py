"""The ring of steps: every step carries its number and its environment, so a misplaced one shows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from morl import store
from morl.errors import CheckpointError, MorlError
from morl.replay import Replay, Sequences
from morl.transitions import Transition

N, M = 3, 2


def numbered(k: int, *, valid: Tensor | None = None) -> Transition:
    """Step k: environment e observes (k, e) and then (k + 1, e), does k, and is paid (k, -e)."""
    env = torch.arange(N)
    here, there = (torch.stack((torch.full((N,), j), env), dim=1).float() for j in (k, k + 1))
    return Transition(
        obs=here,
        action=torch.full((N,), k),
        reward=torch.stack((torch.full((N,), k), -env), dim=1).float(),
        terminated=(env + k) % 4 == 0,
        truncated=(env + k) % 5 == 0,
        next_obs=there,
        valid=valid,
    )


def followed(k: int) -> Tensor:
    """Weights (N, m) of step k, exact in float32."""
    share = torch.full((N,), (k % 16) / 16)
    return torch.stack((share, 1 - share), dim=1)


def filled(steps: int, capacity: int) -> Replay:
    replay = Replay(capacity, N, obs_shape=(2,), objectives=M)
    for k in range(steps):
        replay.add(numbered(k), followed(k))
    return replay


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(capacity=st.integers(2, 9), steps=st.integers(1, 25), length=st.integers(1, 9))
def test_sequences_are_consecutive_steps_of_one_environment(capacity: int, steps: int, length: int) -> None:
    replay = filled(steps, capacity)
    assert len(replay) == min(steps, capacity)
    if length > len(replay):
        with pytest.raises(MorlError, match=f"at least {length} steps"):
            replay.sample(4, length, generator())
        return
    batch = replay.sample(64, length, generator())
    step, env = batch.obs[..., 0], batch.obs[..., 1]
    assert step.shape == (length, 64)
    assert torch.equal(step, step[0] + torch.arange(length).unsqueeze(1))
    assert torch.equal(env, env[0].expand(length, -1))
    assert int(step.min()) >= max(0, steps - capacity) and int(step.max()) < steps


@given(capacity=st.integers(2, 6), extra=st.integers(0, 9))
def test_every_field_belongs_to_its_step(capacity: int, extra: int) -> None:
    batch = filled(capacity + extra, capacity).sample(32, 2, generator())
    step, env = batch.obs[..., 0].long(), batch.obs[..., 1].long()
    assert torch.equal(batch.action, step)
    assert torch.equal(batch.reward, torch.stack((step, -env), dim=-1).float())
    assert torch.equal(batch.next_obs, batch.obs + torch.tensor([1.0, 0.0]))
    assert torch.equal(batch.terminated, (env + step) % 4 == 0)
    assert torch.equal(batch.truncated, (env + step) % 5 == 0)
    assert torch.equal(batch.weights[..., 0], (step % 16) / 16)
    assert batch.valid.all()


def test_every_start_and_environment_is_drawn_and_the_oldest_are_forgotten() -> None:
    batch = filled(steps=14, capacity=6).sample(4000, 3, generator())
    counts = torch.zeros(14, N).index_put_(
        (batch.obs[0, :, 0].long(), batch.obs[0, :, 1].long()), torch.ones(()), accumulate=True
    )
    held = counts[8:12]  # starts of sequences of three among the steps 8 .. 13
    assert counts.sum() == held.sum() == 4000
    assert (held > 4000 / 12 * 0.7).all() and (held < 4000 / 12 * 1.3).all()


def test_steps_that_only_reset_are_marked() -> None:
    replay = Replay(4, N, obs_shape=(2,), objectives=M)
    mask = torch.tensor([True, False, True])
    replay.add(numbered(0, valid=mask), followed(0))
    replay.add(numbered(1), followed(1))
    batch = replay.sample(50, 2, generator())
    env = batch.obs[0, :, 1].long()
    assert torch.equal(batch.valid[0], mask[env]) and batch.valid[1].all()
    for k in range(2, 6):  # the mark does not outlive its step
        replay.add(numbered(k), followed(k))
    assert replay.sample(50, 4, generator()).valid.all()


@pytest.mark.parametrize("steps", [0, 1, 4, 6, 9])
def test_a_cut_truncates_the_newest_step_only(steps: int) -> None:
    replay, untouched = filled(steps, 6), filled(steps, 6)
    replay.cut()
    for k in range(steps, steps + 2):
        for ring in (replay, untouched):
            ring.add(numbered(k), followed(k))
    newest = (steps - 1) % 6
    for row in range(6):
        expected = untouched.store.truncated[row]
        if row == newest and steps:
            expected = ~untouched.store.terminated[row]
        assert torch.equal(replay.store.truncated[row], expected)
    assert torch.equal(replay.store.terminated, untouched.store.terminated)


def test_the_same_generator_draws_the_same_sequences() -> None:
    replay = filled(9, 6)
    first, second, other = (replay.sample(16, 2, generator(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first.obs, other.obs)


def test_what_was_sampled_is_a_copy() -> None:
    replay = filled(4, 4)
    batch = replay.sample(8, 2, generator())
    before = batch.obs.clone()
    for k in range(4, 8):
        replay.add(numbered(k), followed(k))
    assert torch.equal(batch.obs, before)


@pytest.mark.parametrize("steps", [3, 6, 10])
def test_the_state_goes_through_a_file(steps: int, tmp_path) -> None:
    replay = filled(steps, 6)
    store.save(tmp_path, replay.state(), format="test", version=1)
    restored = Replay(6, N, obs_shape=(2,), objectives=M)
    restored.load_state(store.load(tmp_path, format="test", version=1))
    for k in range(steps, steps + 4):
        for ring in (replay, restored):
            ring.add(numbered(k), followed(k))
        pairs = zip(replay.sample(20, 3, generator(k)), restored.sample(20, 3, generator(k)), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    assert len(replay) == len(restored)


@pytest.mark.parametrize(
    "other",
    [
        {"capacity": 5},
        {"capacity": 8},
        {"num_envs": N + 1},
        {"obs_shape": (3,)},
        {"objectives": 3},
        {"action_shape": (1,)},
    ],
)
def test_a_state_of_another_shape_is_refused(other: dict[str, Any]) -> None:
    shape: dict[str, Any] = {"capacity": 6, "num_envs": N, "obs_shape": (2,), "objectives": M, **other}
    with pytest.raises(CheckpointError, match="resume with the settings"):
        Replay(**shape).load_state(filled(10, 6).state())


@pytest.mark.parametrize("capacity", [-1, 0, 1])
def test_a_ring_needs_two_steps(capacity: int) -> None:
    with pytest.raises(MorlError, match=f"at least 2 steps per environment, got {capacity}"):
        Replay(capacity, N, obs_shape=(2,), objectives=M)


def test_continuous_actions_and_other_types_are_kept() -> None:
    replay = Replay(
        3,
        N,
        obs_shape=(2,),
        objectives=M,
        action_shape=(2,),
        action_dtype=torch.float32,
        obs_dtype=torch.uint8,
    )
    action = torch.rand(N, 2, generator=generator())
    for k in range(3):
        replay.add(numbered(k)._replace(action=action), followed(k))
    batch: Sequences = replay.sample(10, 1, generator())
    assert batch.obs.dtype == batch.next_obs.dtype == torch.uint8
    assert torch.equal(batch.action[0], action[batch.obs[0, :, 1].long()])
