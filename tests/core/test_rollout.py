"""What `collect` returns is what happened, in the order in which it happened."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mo_gymnasium.wrappers.vector import MOSyncVectorEnv
from torch import Tensor
from toys import STOP, WALK, Corridor, PlainCorridor

import morl
from morl import weights as preferences
from morl.rollout import EpisodeReturns, Rollout, collect, renew
from morl.transitions import Transitions

T, N = 40, 6


class Walker:
    """Walks and sometimes stops; remembers what it was asked."""

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(0)
        self.asked: list[tuple[Tensor, Tensor]] = []

    def __call__(self, obs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        self.asked.append((obs, weights))
        draw = torch.rand(len(obs), generator=self.generator)
        return draw, draw.log(), torch.where(draw < 0.2, STOP, WALK)

    def draw(self, n: int) -> Tensor:
        return preferences.sample(2, n, self.generator)


def transitions(kind: str) -> Transitions:
    env = Corridor(N, max_episode_steps=7)
    if kind == "next-step":
        env = morl.make_vec(MOSyncVectorEnv([lambda: PlainCorridor(limit=7)] * N))
    result = Transitions(env)
    result.reset(seed=0)
    return result


def episode_returns(rollout: Rollout) -> list[Tensor]:
    """The sums of rewards of the episodes that ended, one after the other."""
    found = []
    for n in range(N):
        total = torch.zeros(2)
        for t in range(T):
            total = total + rollout.reward[t, n]
            if rollout.terminated[t, n] or rollout.truncated[t, n]:
                found.append(total)
                total = torch.zeros(2)
    return found


@pytest.mark.parametrize("kind", ["batched", "next-step"])
def test_the_history_is_consistent(kind: str) -> None:
    walker = Walker()
    start = walker.draw(N)
    returns = EpisodeReturns(2)
    rollout, following = collect(transitions(kind), walker, start, T, walker.draw, returns)
    done = rollout.terminated | rollout.truncated
    assert rollout.terminated.any() and rollout.truncated.any()
    assert all(field.shape[:2] == (T, N) for field in rollout)
    # It learns from what the policy drew, not from what the environment was sent.
    assert torch.equal(rollout.log_prob, rollout.action.log())
    stopped = (rollout.action < 0.2) & rollout.valid
    assert torch.equal(rollout.terminated, stopped)
    position = rollout.obs[..., 0]
    assert torch.equal(rollout.reward[..., 0], torch.where(stopped, position, 0.0))
    assert torch.equal(rollout.reward[..., 1], -rollout.valid.float())
    walked = (position + ~stopped).clamp(max=8)
    assert torch.equal(rollout.next_obs[..., 0][rollout.valid], walked[rollout.valid])
    goes_on = ~done[:-1]
    assert torch.equal(rollout.obs[1:][goes_on], rollout.next_obs[:-1][goes_on])
    resets = (
        torch.zeros_like(done) if kind == "batched" else torch.cat((torch.zeros_like(done[:1]), done[:-1]))
    )
    assert torch.equal(rollout.valid, ~resets)
    for t, (obs, weights) in enumerate(walker.asked):
        assert torch.equal(obs, rollout.obs[t]) and torch.equal(weights, rollout.weights[t])
    assert torch.equal(rollout.weights[0], start)
    changed = (torch.cat((rollout.weights[1:], following.unsqueeze(0))) != rollout.weights).any(-1)
    assert torch.equal(changed, done), "a new preference exactly where an episode ended"
    mean = torch.stack(episode_returns(rollout)).mean(0)
    torch.testing.assert_close(torch.stack(list(returns.report().values())), mean)


def test_two_rollouts_in_a_row_are_one() -> None:
    walkers = Walker(), Walker()
    envs = transitions("batched"), transitions("batched")
    whole, _ = collect(envs[0], walkers[0], walkers[0].draw(N), 20, walkers[0].draw, EpisodeReturns(2))
    weights, halves = walkers[1].draw(N), []
    for _ in range(2):
        half, weights = collect(envs[1], walkers[1], weights, 10, walkers[1].draw, EpisodeReturns(2))
        halves.append(half)
    for field, *parts in zip(whole, *halves, strict=True):
        assert torch.equal(field, torch.cat(parts))


def test_renew() -> None:
    old, new = torch.zeros(3, 2), torch.ones(3, 2)
    mask = torch.tensor([True, False, True])
    np.testing.assert_array_equal(renew(old, mask, lambda n: new[:n])[:, 0], [1, 0, 1])


def test_returns_are_means_since_the_last_report() -> None:
    returns = EpisodeReturns(2)
    assert [float(value) for value in returns.report().values()] == [0, 0], "no episode ended yet"
    info = {"episode": {"return": torch.tensor([[1.0, -1.0], [3.0, -5.0], [100.0, 100.0]])}}
    returns.add(info, torch.tensor([True, True, False]))
    returns.add(info, torch.tensor([False, True, False]))
    report = returns.report()
    assert report.keys() == {"return/0", "return/1"}
    torch.testing.assert_close(torch.stack(list(report.values())), torch.tensor([7 / 3, -11 / 3]))
    returns.add(info, torch.tensor([False, False, False]))
    assert all(torch.equal(value, report[name]) for name, value in returns.report().items()), (
        "the last stands"
    )
    returns.add(info, torch.tensor([True, False, False]))
    assert [float(value) for value in returns.report().values()] == [1, -1]
