"""Original environments driven one by one and recorded, and batched ones held against the recording.

Their random numbers are given: the original draws from `Given`, the batched environment finds the same numbers
in its noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor

from morl.envs.base import BatchedEnv

Act = Callable[[int, Any, np.random.Generator], Any]
"""(row, unwrapped original, generator) -> the next action."""


class Given:
    """Stands in for a NumPy generator: everything it draws is made of one given number."""

    value: Any = 0

    def random(self) -> float:
        return self.value

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self.value

    def normal(self, mean: float, deviation: float, size: int) -> np.ndarray:
        return np.full(size, mean + deviation * self.value)

    def choice(self, values: np.ndarray, size: int) -> np.ndarray:
        return np.full(size, values[self.value])

    def integers(self, low: int, high: int, size: int | None = None) -> Any:
        return low + self.value if size is None else np.full(size, low + self.value)


@dataclass
class Recording:
    """What happened in the originals: (steps, rows, ...) arrays; `starts` is noise for steps + 1 resets."""

    noise: np.ndarray
    starts: np.ndarray
    before: np.ndarray
    action: np.ndarray
    after: np.ndarray
    obs: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


def record(
    make: Callable[[], gymnasium.Env],
    state: Callable[[Any], list[float]],
    act: Act,
    *,
    noise: np.ndarray,
    starts: np.ndarray,
) -> Recording:
    """Drive as many originals as `noise` (steps, rows) has columns, each with an automatic reset.

    Args:
        make: makes an original.
        state: the numbers that the batched environment's state holds, of an unwrapped original.
        act: chooses the actions.
        noise: what each step draws (steps, rows).
        starts: what each reset draws (steps + 1, rows): the first row for the first episodes, row t + 1 for
            an episode that starts after step t.
    """
    rng = np.random.default_rng(0)
    steps, rows = noise.shape
    columns: dict[str, list[np.ndarray]] = {
        name: [] for name in ("before", "action", "after", "obs", "reward", "terminated", "truncated")
    }
    originals = [make() for _ in range(rows)]
    for row, original in enumerate(originals):
        original.unwrapped.np_random = Given()  # type: ignore[assignment]
        _draw_next(original, starts[0, row])
        original.reset()
    for step in range(steps):
        now: dict[str, list[Any]] = {name: [] for name in columns}
        for row, original in enumerate(originals):
            inner: Any = original.unwrapped
            now["before"].append(state(inner))
            action = act(row, inner, rng)
            _draw_next(original, noise[step, row])
            obs, reward, terminated, truncated, _ = original.step(action)
            now["after"].append(state(inner))
            for name, value in zip(
                ("action", "obs", "reward", "terminated", "truncated"),
                (action, obs, reward, terminated, truncated),
                strict=True,
            ):
                now[name].append(np.copy(value))
            if terminated or truncated:
                _draw_next(original, starts[step + 1, row])
                original.reset()
        for name, values in now.items():
            columns[name].append(np.array(values))
    stacked = {name: np.stack(values) for name, values in columns.items()}
    return Recording(noise=noise, starts=starts, **stacked)


def _draw_next(original: gymnasium.Env, value: Any) -> None:
    generator: Any = original.unwrapped.np_random
    generator.value = value


def run_freely(
    env: BatchedEnv, recording: Recording, *, atol: float = 1e-9, reward_rtol: float = 1e-6
) -> float:
    """Run `env` (float64) through the recorded history, from its first reset on, and compare everything.

    The originals' rewards are float32, so are most of their observations: `reward_rtol` is for these.

    Returns:
        The largest error of a state.
    """
    noise, starts = iter(torch.tensor(recording.noise)), iter(torch.tensor(recording.starts))
    env.draw_step_noise = lambda n, streams: next(noise)  # type: ignore[method-assign]
    env.draw_reset_noise = lambda n, streams: next(starts)  # type: ignore[method-assign]
    env.reset(seed=0)
    worst = 0.0
    for step, action in enumerate(torch.tensor(recording.action)):
        assert env._carry is not None
        error = np.abs(as_numbers(env._carry.state) - recording.before[step]).max()
        assert error <= atol, f"the state is off by {error} before step {step}"
        worst = max(worst, float(error))
        _, reward, terminated, truncated, info = env.step(action)
        final = info["final_obs"].numpy()
        assert final.dtype == recording.obs.dtype
        np.testing.assert_allclose(final, recording.obs[step], rtol=reward_rtol, atol=1e-9)
        np.testing.assert_allclose(reward.numpy(), recording.reward[step], rtol=reward_rtol, atol=2e-6)
        np.testing.assert_array_equal(terminated.numpy(), recording.terminated[step])
        np.testing.assert_array_equal(truncated.numpy(), recording.truncated[step])
    return worst


def take_each_step(
    make: Callable[[int], BatchedEnv], recording: Recording, *, rtol: float = 0.0, atol: float = 1e-5
) -> None:
    """Take every recorded step in one float32 batch, each from the recorded state before it, and compare."""

    def flat(array: np.ndarray) -> np.ndarray:
        return array.reshape(-1, *array.shape[2:])

    before = flat(recording.before)
    env = make(len(before))
    example = env.initial_state(len(before), torch.tensor(np.resize(recording.starts, len(before))))
    widths = [part[0].numel() for part in example]
    columns = torch.tensor(before).split(widths, dim=1)
    state = type(example)(*(c.reshape(e.shape).to(e.dtype) for c, e in zip(columns, example, strict=True)))
    noise = torch.tensor(flat(recording.noise), dtype=torch.float32)
    step = env.transition(state, torch.tensor(flat(recording.action)), noise)
    np.testing.assert_allclose(as_numbers(step.state), flat(recording.after), rtol=rtol, atol=atol)
    np.testing.assert_allclose(step.reward.numpy(), flat(recording.reward), rtol=rtol, atol=atol)
    np.testing.assert_array_equal(step.terminated.numpy(), flat(recording.terminated))


def as_numbers(state: Any) -> np.ndarray:
    """A state as an array (n, numbers), float64."""
    parts: list[Tensor] = [part.reshape(len(part), -1).to(torch.float64) for part in state]
    return torch.cat(parts, dim=1).numpy()
