"""Replay: one preference's greedy policy on the original environment, with what it earned, as a video.

Environments of MuJoCo and pygame draw without a display here: pictures are made in memory.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from morl import store
from morl import weights as preference_weights
from morl.errors import EnvError, MorlError
from morl.evaluation import evaluate
from morl.film import MOST_SHOWN, Film, Picture, reel_for
from morl.front import Front
from morl.playing import make_evaluation_env
from morl.threads import Threads

MODE = "rgb_array"
WITHOUT = "play it without pictures (--no-render)"


def play(
    agent: Any,
    env: Any,
    *,
    weights: Any,
    out: str | Path | None = None,
    episodes: int = 1,
    seed: int = 1,
    fps: float | None = None,
    max_steps: int | None = None,
    device: Any = None,
    env_kwargs: dict[str, Any] | None = None,
    threads: Threads = "auto",
) -> Front:
    """Follow the agent greedily under one preference, and film it.

    The episodes are those of `morl.evaluate(agent, env, weights=weights, episodes=episodes, seed=seed)`.

    Args:
        agent: as for `morl.evaluate`.
        env: an id, `module:Class`, a class or a factory.
        weights: one preference (m,).
        out: the film, ending in .gif or .mp4 (extra `video`); None to film nothing.
        episodes: how many, one after the other.
        seed: of the evaluation.
        fps: pictures per second; by default the environment's own (`metadata["render_fps"]`), at most 30.
            Where the environment has more, some are left out: the film keeps the environment's speed.
        max_steps: cut every episode off here; by default the environment alone ends them.
        device: where the agent acts; by default where it is.
        env_kwargs: keyword arguments of the environment.
        threads: how many torch computes with meanwhile; "auto" as for `Agent.learn`.

    Returns:
        A front of one point: `episode_returns` (1, episodes, m), the undiscounted ones, lengths, seeds.

    Raises:
        MorlError: the weights are not one preference of the agent's objectives, or `out` is no film.
        EnvError: the environment is unknown, or cannot draw itself.
    """
    preference = preference_weights.validate(weights, getattr(agent, "num_objectives", None))
    if preference.ndim != 1:
        raise MorlError(f"expected one preference, such as 0.3 0.7; got {len(preference)}")
    device = getattr(agent, "device", "cpu") if device is None else device
    kwargs = env_kwargs or {}
    options: dict[str, Any] = {
        "weights": preference,
        "episodes": episodes,
        "seed": seed,
        "max_steps": max_steps,
        "threads": threads,
    }
    if out is None:
        vec = _unseen(env, device, kwargs)
        try:
            return evaluate(agent, vec, **options)
        finally:
            vec.close()
    reel = reel_for(Path(out), fps)
    try:
        _check_draws(env, device, kwargs)
        with _no_display():
            vec = make_evaluation_env(env, 1, device=device, env_kwargs={**kwargs, "render_mode": MODE})
            try:
                view = vec.envs[0]
                film = Film(reel, native=float(view.metadata.get("render_fps") or MOST_SHOWN), fps=fps)
                view.env = Camera(view.env, film, vec.env_id)
                front = evaluate(agent, vec, **options)
            finally:
                vec.close()
        store.atomic_write(out, reel.finish())
    finally:
        reel.close()
    return front


# --- environments ----------------------------------------------------------------------------------------


def _unseen(env: Any, device: Any, env_kwargs: dict[str, Any]) -> Any:
    """One original environment, or one of a batched form where there is nothing else."""
    try:
        return make_evaluation_env(env, 1, device=device, env_kwargs=env_kwargs)
    except EnvError:
        try:
            return make_evaluation_env(env, 1, device=device, backend="batched", env_kwargs=env_kwargs)
        except EnvError:
            pass
        raise


def _check_draws(env: Any, device: Any, env_kwargs: dict[str, Any]) -> None:
    """Raise `EnvError` unless the original environment makes pictures.

    Outside `_no_display`: MuJoCo cannot even be imported where a graphics library is asked for and missing.
    """
    probe = _unseen(env, device, env_kwargs)
    views = getattr(probe, "envs", None)
    probe.close()
    if views is None:
        raise EnvError(
            f"expected an environment that can draw itself, {probe.env_id} has no form but a batched one; "
            f"{WITHOUT}"
        )
    modes = views[0].metadata.get("render_modes") or []
    if MODE not in modes:
        found = f"only {', '.join(modes)}" if modes else "none"
        raise EnvError(
            f"expected an environment with the render mode {MODE!r}, {probe.env_id} has {found}; {WITHOUT}"
        )


@contextmanager
def _no_display() -> Iterator[None]:
    """Let pygame and MuJoCo draw into memory, whatever the machine has; settings of the user's own stay."""
    wanted = {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy", "PYGAME_HIDE_SUPPORT_PROMPT": "1"}
    if sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        wanted["MUJOCO_GL"] = "egl"
    added = [name for name in wanted if name not in os.environ]
    os.environ.update({name: wanted[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


class Camera(gymnasium.Wrapper):
    """Shows a film what happens in an environment; resets without a seed are not part of an episode shown."""

    def __init__(self, env: gymnasium.Env, film: Film, env_id: str) -> None:
        super().__init__(env)
        self.film, self.env_id = film, env_id

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Start an episode."""
        result = self.env.reset(seed=seed, options=options)
        if seed is not None:
            self.film.begin(self._picture())
        return result

    def step(self, action: Any) -> Any:
        """One step; its picture is made only if it is shown."""
        result = self.env.step(action)
        over = bool(result[2] or result[3])
        if self.film.due() or over:
            self.film.show(self._picture(), last=over)
        return result

    def _picture(self) -> Picture:
        try:
            picture = np.asarray(self.env.render())
        except Exception as error:  # whatever a graphics library raises
            raise EnvError(
                f"expected {self.env_id} to draw itself, got {type(error).__name__}: {error}; MuJoCo needs a "
                f"graphics library (MUJOCO_GL=egl, osmesa or glfw says which): install one, or {WITHOUT}"
            ) from error
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise EnvError(
                f"expected render() of {self.env_id} to return pictures (height, width, 3) of uint8, "
                f"got {picture.dtype} of shape {picture.shape}; {WITHOUT}"
            )
        return picture
