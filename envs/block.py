"""Several environments as one that steps them in a loop: here, or in each process of `AsyncAdapter`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import gymnasium
import numpy as np
from numpy.typing import NDArray

from morl.envs.faults import described
from morl.envs.view import AgentView
from morl.errors import EnvError, MorlError
from morl.problem import Identity
from morl.signals import OutOfTime, within

EnvFactory = Callable[[], gymnasium.Env]

FAULTS = (Exception, SystemExit)
"""What counts as an environment's failure; Ctrl-C does not."""


class EnvBlock:
    """Environments with equal spaces, stepped one after the other and restarted where an episode ends.

    Args:
        env_fns: one factory per environment.
        env_id: names them in messages; None for the id they were registered under.
        identity: which problem they are; None to look into the first.
        first: the number of the first environment among those of all blocks.
        alive: called before every call of an environment, to say that those before it have returned.

    Raises:
        EnvError: an environment could not be made, or has other spaces than the first. What an environment raises
            here and later is the cause of an `EnvError` that names the environment, its number, and the step.
    """

    def __init__(
        self,
        env_fns: Sequence[EnvFactory],
        env_id: str | None,
        identity: Identity | None = None,
        *,
        first: int = 0,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._env_id, self._identity, self._first, self._alive = env_id, identity, first, alive
        self.envs: list[AgentView] = []
        self._lengths = [0] * len(env_fns)
        for i, make in enumerate(env_fns):
            alive()
            try:
                self.envs.append(self._made(make))
            except FAULTS as error:
                self.close()
                self._fail(error, f"{env_id or 'the factory'} to make an environment", i)
        view = self.envs[0]
        self.shown: dict[str, Any] = {
            "observation_space": view.observation_space,
            "action_space": view.action_space,
            "native_observation_space": view.native_observation_space,
            "native_action_space": view.native_action_space,
            "reward_space": view.reward_space,
            "env_id": view.env_id,
            "objectives": view.objectives,
            "max_episode_steps": view.max_episode_steps,
            "identity": view.identity,
            "reference_point": view.reference_point,
        }
        """What `Adapter` wants to know of each environment."""
        space = view.observation_space
        self._obs: NDArray[Any] = np.zeros((len(env_fns), *(space.shape or ())), space.dtype)
        self._rewards = (len(env_fns), view.num_objectives)

    def reset(
        self, seeds: Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> NDArray[Any]:
        """Start all episodes, each with its seed and all with `options`; returns observations (n, ...)."""
        obs = np.zeros_like(self._obs)
        for i in range(len(self.envs)):
            obs[i] = self._begun(i, seed=None if seeds is None else seeds[i], options=options)
        self._obs = obs
        return obs

    def step(
        self, actions: NDArray[Any], active: NDArray[np.bool_]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_], NDArray[np.bool_], NDArray[Any]]:
        """Step the active environments; the others keep their observations, with no reward and no end.

        Returns:
            Observations (n, ...), rewards (n, m), terminated (n,), truncated (n,), and the last observations of the
            episodes that ended, in order.
        """
        obs = self._obs.copy()  # what was returned before stays as it is
        reward = np.zeros(self._rewards, np.float32)
        terminated, truncated = np.zeros((2, len(self.envs)), np.bool_)
        i = 0
        try:
            for i, env in enumerate(self.envs):
                if active[i]:
                    self._alive()
                    self._lengths[i] += 1
                    stepped = env.step(actions[i])
                    with np.errstate(over="ignore"):  # infinite then, and refused as such
                        obs[i], reward[i], terminated[i], truncated[i], _ = stepped
        except FAULTS as error:
            self._fail(error, f"step() of {self.envs[i].env_id} to return", i, f" at step {self._lengths[i]}")
        ended = np.flatnonzero(terminated | truncated)
        last = obs[ended]
        for i in ended.tolist():
            obs[i] = self._begun(i)
        self._obs = obs
        return obs, reward, terminated, truncated, last

    def known_front(self, gamma: float) -> Any:
        """What the environment says of its front under a discount; None where it says nothing."""
        told = self.envs[0].known_front
        return told(gamma) if callable(told) else told

    def close(self, limit: float | None = None) -> None:
        """Close every environment; one that cannot be closed is warned of, as everything was done by then.

        Args:
            limit: seconds that each may take, as far as it can be given up; the first that takes longer is the last.
        """
        for i, env in enumerate(self.envs):
            self._alive()
            try:
                with within(limit):
                    env.close()
            except OutOfTime:
                self._warn(i, f"took more than {limit:g} s")
                return
            except FAULTS as error:
                self._warn(i, f"raised {described(error)}")

    def _warn(self, i: int, what: str) -> None:
        where = f"in sub-environment {self._first + i}"
        message = f"close() of {self.envs[i].env_id} {what} {where}; what it holds may be left behind"
        warnings.warn(message, stacklevel=3)

    def _made(self, make: EnvFactory) -> AgentView:
        """One more environment, checked against the first."""
        made = make()
        env = AgentView(made, self._env_id, self.envs[0].identity if self.envs else self._identity)
        first, number = self.envs[0] if self.envs else env, self._first + len(self.envs)
        if any(made.unwrapped is other.unwrapped for other in self.envs):
            raise EnvError(
                f"expected a new environment for each copy of {first.env_id}, got the same instance for copy "
                f"{number} as before, so that episodes would be mixed; pass a factory "
                "that makes one at every call, such as lambda: MyEnv()"
            )
        theirs, ours = ((v.native_observation_space, v.native_action_space) for v in (env, first))
        if theirs != ours:
            raise EnvError(
                f"expected all copies of {first.env_id} to have the spaces of the first, got "
                f"{theirs[0]} and {theirs[1]} in copy {number}"
            )
        return env

    def _begun(self, i: int, **options: Any) -> NDArray[Any]:
        """The first observation of a new episode."""
        self._alive()
        self._lengths[i] = 0
        try:
            obs: NDArray[Any] = self.envs[i].reset(**options)[0]
        except FAULTS as error:
            self._fail(error, f"reset() of {self.envs[i].env_id} to return", i)
        with np.errstate(over="ignore"):  # infinite then, and refused as such
            return obs.astype(self._obs.dtype, copy=False)

    def _fail(self, error: BaseException, wanted: str, i: int, when: str = "") -> NoReturn:
        """Raise what an environment raised, as one line; its author finds the traceback in the cause."""
        if isinstance(error, MorlError):
            raise error
        place = f"in sub-environment {self._first + i}{when}"
        raise EnvError(f"expected {wanted}, got {described(error)} {place}; mend the environment") from error
