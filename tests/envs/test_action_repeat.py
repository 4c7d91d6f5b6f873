"""A repeated action is the loop one would write by hand, on every backend, and never crosses an episode's end."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AsyncVectorEnv, AutoresetMode
from toys import Corridor

from morl.envs.action_repeat import Repeated
from morl.envs.base import BatchedEnv, Step
from morl.envs.check import check_env
from morl.envs.make import make_vec
from morl.envs.minecart import Minecart
from morl.envs.purity import check_pure
from morl.envs.wrappers import ActionRepeat, FrameStackObservation
from morl.errors import EnvError
from morl.streams import Streams

N, LIMIT = 4, 10
SEA = "deep-sea-treasure-v0"


class Loop(gymnasium.Wrapper):
    """The same by hand, for one environment."""

    def __init__(self, env: gymnasium.Env, repeats: int) -> None:
        super().__init__(env)
        self.repeats = repeats

    def step(self, action: Any) -> Any:
        total = np.zeros(2)
        for _ in range(self.repeats):
            obs, reward, terminated, truncated, info = self.env.step(action)
            total += reward
            if terminated or truncated:
                break
        return obs, total, terminated, truncated, info


@pytest.mark.parametrize("repeats", [1, 2, 3])
@pytest.mark.parametrize("backend", ["batched", "sync", "async"])
def test_it_is_the_loop_by_hand(backend: str, repeats: int) -> None:
    env = ActionRepeat(make_vec(SEA, N, backend=backend, max_episode_steps=LIMIT), repeats)
    alone = [Loop(gymnasium.make(f"morl/{SEA}", max_episode_steps=LIMIT), repeats) for _ in range(N)]
    obs, _ = env.reset(seed=0)
    expected = np.stack([single.reset(seed=0)[0] for single in alone])
    returns, lengths, ends = np.zeros((N, 2)), np.zeros(N, dtype=int), [0, 0]
    actions = np.random.default_rng(0).choice(4, p=(0.1, 0.45, 0.1, 0.35), size=(60, N))
    for row in actions:
        np.testing.assert_array_equal(obs.numpy(), expected)
        obs, reward, terminated, truncated, info = env.step(torch.from_numpy(row))
        lengths += 1
        for i, single in enumerate(alone):
            expected[i], total, over, cut, _ = single.step(int(row[i]))
            returns[i] += total
            np.testing.assert_allclose(reward[i].numpy(), total, rtol=1e-6)
            assert (bool(terminated[i]), bool(truncated[i])) == (over, cut)
            np.testing.assert_array_equal(info["final_obs"][i].numpy(), expected[i])
            ends[0], ends[1] = ends[0] + over, ends[1] + cut
            if over or cut:
                expected[i] = single.reset()[0]
        np.testing.assert_allclose(info["episode"]["return"].numpy(), returns, rtol=1e-6)
        assert info["episode"]["length"].tolist() == lengths.tolist()
        done = (terminated | truncated).numpy()
        returns[done], lengths[done] = 0, 0
    assert min(ends) >= 4
    env.close()


@pytest.mark.parametrize("make", [partial(Minecart, N), partial(Corridor, N, slip=0.4, max_episode_steps=6)])
def test_every_repetition_has_noise_of_its_own(make: Any) -> None:
    inner: BatchedEnv = make()
    env, streams = Repeated(inner, 3), Streams(0, N)
    state = env.initial_state(N, env.draw_reset_noise(N, streams))
    generator = torch.Generator().manual_seed(1)
    for _ in range(15):
        action = torch.randint(2, (N,), generator=generator)
        noise = env.draw_step_noise(N, streams)
        assert noise is not None and noise.shape[:2] == (N, 3)
        step = env.transition(state, action, noise)
        reference, reward, steps, over = by_hand(inner, state, action, noise)
        torch.testing.assert_close(step.reward, reward)
        assert torch.equal(step.terminated | (step.truncated if step.truncated is not None else over), over)
        for mine, true in zip(step.state[:-1], reference, strict=True):
            torch.testing.assert_close(mine, true)
        assert torch.equal(step.state[-1], steps)
        fresh = env.initial_state(N, env.draw_reset_noise(N, streams))
        state = type(fresh)(
            *(
                torch.where(over.view(-1, *[1] * (a.dim() - 1)), a, b)
                for a, b in zip(fresh, step.state, strict=True)
            )
        )


def by_hand(inner: BatchedEnv, state: Any, action: torch.Tensor, noise: torch.Tensor) -> tuple[Any, ...]:
    """State, summed reward, clock and end of each row, stepped alone."""
    kind = type(inner.initial_state(N, inner.draw_reset_noise(N, Streams(0, N))))
    rows = []
    for i in range(N):
        own, clock, total, over = (
            kind(*(part[i : i + 1] for part in state[:-1])),
            int(state[-1][i]),
            0.0,
            False,
        )
        for j in range(noise.shape[1]):
            # Tensor programs may count on all rows; the others' results are not looked at.
            whole = kind(*(part.expand(N, *part.shape[1:]) for part in own))
            step: Step = inner.transition(
                whole, action[i].expand(N), noise[i : i + 1, j].expand(N, *noise.shape[2:])
            )
            own, clock = kind(*(part[:1] for part in step.state)), clock + 1
            total = total + step.reward[:1]
            over = bool(step.terminated[0]) or clock == inner.max_episode_steps
            if over:
                break
        rows.append((own, total, clock, over))
    states = [torch.cat(parts) for parts in zip(*(row[0] for row in rows), strict=True)]
    clocks = torch.tensor([row[2] for row in rows])
    return states, torch.cat([row[1] for row in rows]), clocks, torch.tensor([row[3] for row in rows])


def test_one_repetition_changes_nothing() -> None:
    plain, once = Minecart(N, max_episode_steps=LIMIT), ActionRepeat(Minecart(N, max_episode_steps=LIMIT), 1)
    assert torch.equal(plain.reset(seed=5)[0], once.reset(seed=5)[0])
    generator = torch.Generator().manual_seed(0)
    for _ in range(40):
        action = torch.randint(6, (N,), generator=generator)
        for a, b in zip(plain.step(action)[:4], once.step(action)[:4], strict=True):
            assert torch.equal(a, b)


class Costly(Corridor):
    """Tells each step's position as a cost."""

    def transition(self, state: Any, action: torch.Tensor, noise: Any) -> Step:
        step = super().transition(state, action, noise)
        return step._replace(extras={"cost": step.state.position})


def test_extras_are_those_of_the_last_step_played() -> None:
    env = ActionRepeat(Costly(2, max_episode_steps=2), 3)
    env.reset(seed=0)
    _, reward, _, truncated, info = env.step(torch.tensor([1, 0]))
    assert info["extras"]["cost"].tolist() == [2, 0] and truncated.tolist() == [True, False]
    assert reward.tolist() == [[0, -2], [0, -1]]


def test_the_repetition_is_part_of_the_tensor_program() -> None:
    env = ActionRepeat(Minecart(N), 2).env
    assert isinstance(env, Repeated)
    for device in ("cpu", "meta"):
        check_pure(ActionRepeat(Minecart(N, device=device), 2).env)
    env.reset(seed=0)
    assert env._carry is not None and env.streams is not None
    noise = env.draw_step_noise(N, env.streams), env.draw_reset_noise(N, env.streams)
    arguments = (env._carry, torch.ones(N, dtype=torch.int64), *noise)
    torch.compiler.reset()
    traced = torch.compile(env.advance, fullgraph=True, dynamic=False, backend="eager")
    for eager, graph in zip(env.advance(*arguments)[1], traced(*arguments)[1], strict=True):
        if isinstance(eager, torch.Tensor):
            torch.testing.assert_close(graph, eager)
    assert ActionRepeat(Minecart(N, compile=True), 2).env.compile


def test_limits_and_spaces_count_actions() -> None:
    env = ActionRepeat(make_vec(SEA, 2), 3)
    assert env.max_episode_steps == 34 and env.reward_space.low.tolist() == [0, -3]
    assert env.reward_space.high[1] == -1  # a step may be the last after one repetition


class Twice(ActionRepeat):
    """By name, as runs need it."""

    def __init__(self, num_envs: int, **options: Any) -> None:
        super().__init__(make_vec(SEA, num_envs, **options), 2)


def test_the_checker_takes_it() -> None:
    report = check_env(Twice, steps=60)
    assert report.ok and not [finding for finding in report.findings if finding.level == "warning"]


def test_what_cannot_stand_still_is_refused() -> None:
    batched = make_vec(SEA, 2)
    with pytest.raises(EnvError, match="ActionRepeat around it first"):
        ActionRepeat(FrameStackObservation(batched, 2), 2)
    vector = AsyncVectorEnv(
        [partial(gymnasium.make, f"morl/{SEA}")] * 2, autoreset_mode=AutoresetMode.SAME_STEP
    )
    with pytest.raises(EnvError, match="whose rows can stand still, got VectorAdapter; pass a factory"):
        ActionRepeat(make_vec(vector), 2)
    vector.close()
    for repeats in (0, 1.5):
        with pytest.raises(EnvError, match="repeats"):
            ActionRepeat(batched, repeats)  # type: ignore[arg-type]
