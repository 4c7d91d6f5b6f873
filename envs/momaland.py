"""Cooperative PettingZoo environments, MOMAland's among them, under the joint control of one agent.

    env = morl.make_vec(morl.envs.from_parallel(lambda: mobeach_v0.parallel_env(num_agents=5, reward_mode="team")))
    env = morl.make_vec("momaland/mobeach-v0", num_agents=5)                # MOMAland's by id; needs its extra

Nothing here imports PettingZoo: whatever has its parallel interface works.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, get_args

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Space, Tuple
from gymnasium.spaces.utils import flatten, flatten_space
from numpy.typing import NDArray

from morl import registry
from morl.envs.rewards import check_vector
from morl.errors import EnvError, MorlError

Aggregate = Literal["team", "sum", "mean", "each"]
Observe = Literal["auto", "agents", "state"]

SMALL_BEACH = {
    "reward_mode": "team",
    "num_timesteps": 5,
    "num_agents": 10,
    "sections": 3,
    "capacity": 2,
    "type_distribution": (0.7, 0.3),
    "position_distribution": (0.5, 0.0, 0.5),
}
"""MOMAland's own for joint control (`learning/morl/sa_env_factory.py`): 100 agents have too many actions."""

APART = ("nearness to the target", "distance to each other")

IDS: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "mobeach": ("beach", ("capacity", "mixture"), SMALL_BEACH),
    "moitem_gathering": ("item_gathering", (), {"reward_mode": "team"}),
    "momultiwalker_stability": ("multiwalker_stability", ("progress", "stability"), {}),
    "catch": ("crazyrl.catch", APART, {"aggregate": "sum"}),
    "escort": ("crazyrl.escort", APART, {"aggregate": "sum"}),
    "surround": ("crazyrl.surround", APART, {"aggregate": "sum"}),
}
"""MOMAland's environments that have an id here: folder, objectives, and arguments that make the agents one team.
`JointEnv` runs its other parallel ones by path. The rest are games that sides play in turn."""


def from_parallel(parallel: Any, **options: Any) -> Callable[[], JointEnv]:
    """A factory for `morl.make_vec`, from what makes a parallel environment; options as for `JointEnv`."""
    return partial(JointEnv, parallel, **options)


def make_joint(name: str, **options: Any) -> JointEnv:
    """MOMAland's environment `name` (a key of `IDS`); options as for `JointEnv`."""
    folder, objectives, defaults = IDS[name]
    path = f"momaland.envs.{folder}.{name}_v0:parallel_env"
    try:
        return JointEnv(path, **{"objectives": objectives, **defaults, **options})
    except MorlError as error:
        if "found no 'momaland" not in str(error) and "found no 'pettingzoo" not in str(error):
            raise
        raise EnvError(
            f"expected MOMAland to be installed for {name}, found none; pip install 'morl[momaland]'"
        ) from error


class JointEnv(gymnasium.Env):
    """All agents of a parallel environment moved at once, as one environment with reward vectors (m,).

    The observation is what all agents see, flattened and put one after the other in the order of
    `possible_agents` (zeros for those that have left), or the environment's global state. The action is one of
    all combinations of the agents' actions where these are discrete, or all their numbers in a row. The episode
    lasts until no agent is left, and counts as truncated if any of the last ones was merely cut off.

    Args:
        parallel: a parallel environment, what makes one, or `module:function` by name.
        aggregate: how the agents' rewards make one vector: "team" is the vector that all of them are paid alike,
            "sum" and "mean" go over all agents (those that have left earn nothing), "each" puts one agent's
            reward after the other's, which makes scalar rewards a vector.
        observe: "agents" or "state" (above); "auto" is the state where the environment offers a central
            observation, as most of MOMAland's do.
        objectives: their names.
        render_mode: handed to what makes the environment, if given.
        kwargs: the same.

    Raises:
        EnvError: `parallel` has not the parallel interface, or agents of a team are paid differently.
    """

    names_itself = True
    """For `morl.make_vec`: the class's path says nothing about the environment."""

    def __init__(
        self,
        parallel: Any,
        *,
        aggregate: Aggregate = "team",
        observe: Observe = "auto",
        objectives: Sequence[str] = (),
        render_mode: str | None = None,
        **kwargs: Any,
    ) -> None:
        for given, known in ((aggregate, Aggregate), (observe, Observe)):
            if given not in get_args(known):
                raise EnvError(f"expected one of {', '.join(get_args(known))}, got {given!r}")
        kwargs |= {} if render_mode is None else {"render_mode": render_mode}
        made = registry.resolve(parallel) if isinstance(parallel, str) else parallel
        self.parallel: Any = made(**kwargs) if callable(made) else made
        missing = [
            name
            for name in ("possible_agents", "observation_space", "step")
            if not hasattr(self.parallel, name)
        ]
        if missing or hasattr(self.parallel, "agent_iter"):
            raise EnvError(
                f"expected a PettingZoo environment with the parallel interface, got {self.parallel!r}; "
                "use its parallel_env(), in which all agents move at once"
            )
        if kwargs and not callable(made):
            raise EnvError(f"expected no arguments for an existing environment, got {sorted(kwargs)}")
        self.render_mode = render_mode
        self.metadata = {"render_modes": (self.parallel.metadata or {}).get("render_modes", [])}
        self.aggregate, self.objectives = aggregate, tuple(objectives)
        self.agents: list[Any] = list(self.parallel.possible_agents)
        central = bool((self.parallel.metadata or {}).get("central_observation"))
        self.observes_state = observe == "state" or (observe == "auto" and central)
        self.spaces: dict[Any, Space] = {name: self.parallel.observation_space(name) for name in self.agents}
        self.observation_space = self._state_space() if self.observes_state else self._agents_space()
        self._state = np.zeros(self.observation_space.shape or (), dtype=np.float32)
        self.action_space = Tuple([self.parallel.action_space(name) for name in self.agents])
        if hasattr(self.parallel, "reward_space"):
            self.reward_space = self._reward_space()

    @property
    def env_id(self) -> str:
        """What the environment calls itself, as in `mobeach_v0`, or its class."""
        kind = type(self.parallel.unwrapped)
        return str((self.parallel.metadata or {}).get("name") or f"{kind.__module__}:{kind.__qualname__}")

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode of all agents."""
        super().reset(seed=seed)
        observations, infos = self.parallel.reset(seed=seed, options=options)
        return self._observed(observations), {"agents": infos}

    def step(self, action: Any) -> tuple[NDArray[np.float32], NDArray[Any], bool, bool, dict[str, Any]]:
        """One step of all agents that are left."""
        moves = {
            name: move for name, move in zip(self.agents, action, strict=True) if name in self.parallel.agents
        }
        observations, rewards, terminated, truncated, infos = self.parallel.step(moves)
        core = self.parallel.unwrapped
        if terminated is getattr(core, "truncations", None) and truncated is getattr(
            core, "terminations", None
        ):
            # Some of MOMAland 0.2's return their two dictionaries in the wrong order.
            terminated, truncated = truncated, terminated
        over = not self.parallel.agents or all(terminated[name] or truncated[name] for name in terminated)
        cut = any(truncated[name] and not terminated[name] for name in truncated)
        return (
            self._observed(observations),
            self._reward(rewards),
            over and not cut,
            over and cut,
            {"agents": infos},
        )

    def render(self) -> Any:
        """A picture of all agents."""
        return self.parallel.render()

    def close(self) -> None:
        """Close the environment."""
        self.parallel.close()

    # --- spaces ------------------------------------------------------------------------------------------

    def _agents_space(self) -> Box:
        flat = [flatten_space(space) for space in self.spaces.values()]
        boxes = [box for box in flat if isinstance(box, Box)]
        if len(boxes) < len(flat):
            raise EnvError(f"expected agents' observation spaces of fixed size, got {self.spaces}")
        # Zero is in it: agents that have left are seen as zeros.
        low = np.concatenate([np.minimum(box.low, 0).astype(np.float32) for box in boxes])
        high = np.concatenate([np.maximum(box.high, 0).astype(np.float32) for box in boxes])
        return Box(low, high, dtype=np.float32)

    def _state_space(self) -> Box:
        space = getattr(self.parallel, "state_space", None)
        if space is None and hasattr(self.parallel, "get_central_observation_space"):
            space = self.parallel.get_central_observation_space()
        flat = None if space is None else flatten_space(space)
        if not isinstance(flat, Box):
            raise EnvError(
                f"expected {self.env_id} to tell the space of its state, got {space}; observe 'agents'"
            )
        return Box(flat.low.astype(np.float32), flat.high.astype(np.float32), dtype=np.float32)

    def _reward_space(self) -> Box:
        each = [self.parallel.reward_space(name) for name in self.agents]
        low, high = (
            np.stack([np.atleast_1d(getattr(space, end)) for space in each]) for end in ("low", "high")
        )
        ways: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
            "team": lambda bounds: bounds[0],
            "sum": lambda bounds: bounds.sum(axis=0),
            "mean": lambda bounds: bounds.mean(axis=0),
            "each": np.ravel,
        }
        way = ways[self.aggregate]
        if self.aggregate != "team":  # an agent that has left earns nothing
            low, high = np.minimum(low, 0), np.maximum(high, 0)
        return Box(way(low).astype(np.float32), way(high).astype(np.float32), dtype=np.float32)

    # --- what a step gave ----------------------------------------------------------------------------------

    def _observed(self, observations: dict[Any, Any]) -> NDArray[np.float32]:
        if self.observes_state:
            self._state = self._current_state()
            return self._state
        parts = [
            np.asarray(flatten(space, observations[name]))
            if name in observations
            else np.zeros(flatten_space(space).shape or ())
            for name, space in self.spaces.items()
        ]
        return np.concatenate(parts).astype(np.float32)

    def _current_state(self) -> NDArray[np.float32]:
        """The global state; the last one where the environment has forgotten its state with its agents."""
        try:
            state = np.asarray(self.parallel.state(), dtype=np.float32).ravel()
        except Exception:
            if self.parallel.agents:
                raise
            return self._state
        gone = not self.parallel.agents and state.shape != self.observation_space.shape
        return self._state if gone else state

    def _reward(self, rewards: dict[Any, Any]) -> NDArray[Any]:
        """One vector (m,) out of what the agents were paid."""
        paid = {name: np.asarray(reward) for name, reward in rewards.items()}
        first = next(iter(paid.values()))
        if self.aggregate == "each":
            return np.concatenate(
                [np.atleast_1d(paid.get(name, np.zeros_like(first))) for name in self.agents]
            )
        if self.aggregate == "team":
            if any(not np.array_equal(first, reward) for reward in paid.values()):
                raise EnvError(
                    f"expected all agents of {self.env_id} to be paid alike, got {rewards}; "
                    "pass aggregate='sum' or 'mean', or the environment's own switch (such as reward_mode='team')"
                )
            return check_vector(first, self.env_id)
        total = np.sum(list(paid.values()), axis=0)
        return check_vector(total / len(self.agents) if self.aggregate == "mean" else total, self.env_id)
