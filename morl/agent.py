"""The agent's contract: learn, act, policy, save, load; and the training loop that every agent shares."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from morl import budget, registry, store, weights
from morl._arrays import as_count, as_steps
from morl.errors import CheckpointError, MorlError, NonFiniteError
from morl.language import in_both_languages
from morl.signals import shielded
from morl.spec import EnvSpec, flattened
from morl.streams import derive_seed, make_generator
from morl.threads import Threads, Workload, choose, using
from morl.trust import Trust, check, code_names

PreferenceSampler = Callable[[int, torch.Generator, torch.device], Tensor]

HEADER: dict[str, type | tuple[type, ...]] = {
    "agent": str,
    "name": str,
    "config": dict,
    "spec": dict,
    "gamma": (int, float),
    "seed": (int, list),
    "steps": int,
    "seconds": (int, float),
}
"""What the header of a saved agent holds."""

FORMAT = "morl-agent"
SCHEMA_VERSION = 1


class Policy(Protocol):
    """A batch of B policies being followed, one per row; may have memory."""

    def reset(self, mask: Tensor | None = None) -> None:
        """Forget the rows where `mask` (B,) holds (all rows if None): a new episode starts there."""

    def act(self, obs: Tensor) -> Tensor:
        """Greedy actions (B, ...) for observations (B, *obs_shape)."""

    def observe(self, reward: Tensor, done: Tensor) -> None:
        """Take in the rewards (B, m) and episode ends (B,) that the last actions led to."""


class WeightPolicy:
    """The policies of an agent commanded by weight vectors (B, m), or (1, m) for any number of rows."""

    memoryless = True

    def __init__(self, agent: Agent, weights: Tensor) -> None:
        self.agent, self.weights = agent, weights

    def reset(self, mask: Tensor | None = None) -> None:
        """Nothing to forget."""

    def act(self, obs: Tensor) -> Tensor:
        """Greedy actions (B, ...)."""
        return self.agent.act_on_tensors(obs, self.weights)

    def observe(self, reward: Tensor, done: Tensor) -> None:
        """Nothing to remember."""


class Callback:
    """Hooks around training; override what is needed. All are called with the agent between iterations."""

    def on_start(self, agent: Agent, total_steps: int) -> None:
        """Training begins; `total_steps` is where `agent.steps` will end."""

    def on_iteration(self, agent: Agent, metrics: dict[str, Any]) -> bool | None:
        """One collect-and-update iteration is over; return False to stop. Metrics may be 0-d tensors."""
        return None

    def on_end(self, agent: Agent) -> None:
        """Training is over, also after an error."""


class Agent(ABC):
    """Base class of all agents: holds the configuration and the training loop, never an algorithm.

    Args:
        env: a tensor vector environment from `morl.make_vec`, or an `EnvSpec` for an agent that only acts.
        seed: all of the agent's own randomness derives from it; the environment is reset with it.
        config: an instance of the class's `Config`; or give its fields as keywords instead.
    """

    name: ClassVar[str]
    Config: ClassVar[type]
    deterministic: ClassVar[bool] = True
    """Whether policies act equally whenever they have seen the same, as greedy ones do."""
    default_num_envs: ClassVar[int] = 64
    """How many environments it asks for where steps abound."""
    own: bool = True
    """Whether the user vouches for all names in it, such as its environment's: `save` then signs (`morl.trust`)."""
    flattens: ClassVar[bool] = False
    """Whether it learns from vectors only: observations of more dimensions, such as pictures, are then flattened."""

    act_on_tensors: Callable[..., Tensor]
    """`act` as its class wrote it: for observations of `morl.make_vec` only, without a look at them."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "act" in vars(cls):  # what algorithms write for tensors answers an environment, too
            cls.act_on_tensors = vars(cls)["act"]
            setattr(cls, "act", in_both_languages(vars(cls)["act"]))  # noqa: B010 - a method

    def __init__(self, env: Any, *, seed: int = 0, config: Any = None, **settings: Any) -> None:
        env = flattened(env) if self.flattens else env
        self.spec = EnvSpec.of(env)
        self.env = None if isinstance(env, EnvSpec) else env
        self.config = make_config(type(self), config, settings)
        self.seed = seed = as_count(seed, name="the seed", minimum=0)
        self.device = self.spec.device
        self.env_id, self.num_objectives = self.spec.env_id, self.spec.num_objectives
        self.gamma: float = registry.discount(self.env_id, getattr(self.config, "gamma", None))
        self.generator = make_generator(self.device, derive_seed(seed, 1))
        """All random numbers of the agent's own, apart from initial parameters (seed path 2)."""
        self.preferences: PreferenceSampler = partial(weights.sample_with_faces, self.num_objectives)
        """Which weights are trained: (n, generator, device) -> (n, m); uniform on the simplex unless
        replaced."""
        self.steps = 0
        self.seconds = 0.0
        self.total_steps = 0
        self.threads: int | None = None
        """How many `learn` computes with, once it was told or has chosen; it chooses only once."""
        self.midway = False
        """Whether an iteration has begun and not ended: after an error, the state is then half of each."""
        self.training_id: str | None = None
        """Which training this is, of a run."""

    # --- what an algorithm writes ----------------------------------------------------------------------

    @abstractmethod
    def iterate(self, max_steps: int) -> dict[str, Any]:
        """Collect at most `max_steps` environment steps, update, add to `self.steps`; return metrics.

        Values are floats or 0-d tensors (read only when somebody logs them, so nothing waits for the device).
        """

    @abstractmethod
    def act(self, obs: Any, weights: Any) -> Any:
        """Greedy actions for weight vectors (B, m) or (m,), in the language of the observations.

        A subclass writes `act(self, obs: Tensor, weights: Tensor) -> Tensor` for tensors of `morl.make_vec`; the base
        class adds the environment's own language (`morl.language`).

        Args:
            obs: of `morl.make_vec`: a tensor (B, *obs_shape), answered with a tensor of actions (B, ...) for its
                `step`. Anything else is the environment's own: one observation as it returns them, or a batch as
                Gymnasium's vector environments have it, numpy or torch, answered with actions of its action space.
            weights: preferences.

        Raises:
            MorlError: a tensor could be either, and the answers would differ: `policy(weights).act` answers tensors
                of `morl.make_vec`, and arrays are always the environment's own.
            EnvError: the observations are not of the environment's space.
        """

    @abstractmethod
    def parameters_state(self) -> dict[str, Any]:
        """All that acting needs: nested dict of tensors and JSON values (networks, frozen normalisers)."""

    @abstractmethod
    def load_parameters(self, state: dict[str, Any]) -> None:
        """The inverse of `parameters_state`."""

    @abstractmethod
    def training_state(self) -> dict[str, Any]:
        """All that training needs beyond `parameters_state`: optimiser, replay, generators, environment."""

    @abstractmethod
    def load_training(self, state: dict[str, Any]) -> None:
        """The inverse of `training_state`."""

    # --- what an algorithm may write ---------------------------------------------------------------------

    def workload(self) -> Workload | None:
        """What most of the time of `iterate` goes into: a pure function that does one update on made-up data of the
        real shapes. It is measured to choose the number of threads; None, for computations too small, leaves one.
        """
        return None

    # --- shared ----------------------------------------------------------------------------------------

    @classmethod
    def trained_together(cls, config: Any) -> int:
        """How many policies train side by side, each in as many environments as every other."""
        return 1

    @property
    def round_steps(self) -> int | None:
        """Environment steps between two rounds of updates; None for an agent that updates all along."""
        return None

    def draw_preferences(self, n: int) -> Tensor:
        """Weight vectors (n, m) to train, float32, from the agent's own generator."""
        drawn = self.preferences(n, self.generator, self.device)
        if drawn.shape != (n, self.num_objectives):
            raise MorlError(
                f"expected agent.preferences(n={n}, generator, device) to return weights of shape "
                f"{(n, self.num_objectives)}, got {tuple(drawn.shape)}"
            )
        return drawn.to(torch.float32)

    def learn(
        self,
        total_steps: int,
        *,
        callbacks: Sequence[Callback] = (),
        progress: bool = True,
        threads: Threads = "auto",
    ) -> Self:
        """Train for `total_steps` environment steps in all (a resumed agent counts what it did before).

        Args:
            total_steps: budget over all parallel environments; never exceeded.
            callbacks: called between iterations.
            progress: show a progress bar with steps/s and remaining time.
            threads: how many torch computes with meanwhile. "auto" is one unless more are measured to pay, the first
                time; `OMP_NUM_THREADS` is obeyed, and a run has its own number (`morl.threads`).

        Raises:
            MorlError: the budget is not positive, too small for one step of all environments, or there is
                no environment; or a number of threads that is none.
            NonFiniteError: a metric turned NaN or infinite; the message names it and the step.
        """
        total_steps = as_steps(total_steps, name="the budget (total_steps)")
        if self.env is None:
            raise MorlError(
                "expected an environment to learn in, this agent was made without; "
                "load it with one: morl.load(path, env=morl.make_vec(...))"
            )
        finished = total_steps == self.steps > 0
        if not finished and total_steps - self.steps < self.spec.num_envs:
            raise MorlError(
                f"expected a budget of at least {self.spec.num_envs} steps (one step of each environment) "
                f"beyond the {self.steps} already done, got total_steps={total_steps}; "
                "raise it or use fewer environments"
            )
        from morl.progress import ProgressBar  # late: needs rich

        active: list[Callback] = [*callbacks, *([ProgressBar()] if progress else [])]
        self.total_steps = total_steps
        if self.round_steps is not None and self.steps == 0:
            budget.check_rounds(self.name, total_steps, self.round_steps)
        with (
            using(self.choose_threads(threads)),
            ExitStack() as started,
        ):  # calls every on_end, whatever one raises
            for callback in active:
                callback.on_start(self, total_steps)
                started.callback(callback.on_end, self)
            self._train(active, total_steps)
        return self

    def choose_threads(self, threads: Threads = "auto") -> int:
        """How many threads `learn` computes with, given its argument."""
        if threads != "auto" or self.threads is None:
            self.threads = choose(threads, self.workload if self.device.type == "cpu" else None)
        return self.threads

    def _train(self, callbacks: Sequence[Callback], total_steps: int) -> None:
        while total_steps - self.steps >= self.spec.num_envs:
            with shielded():  # a signal stops between two iterations, when every callback has seen the last
                self.midway = True
                start = time.perf_counter()
                metrics = self.iterate(total_steps - self.steps)
                if self.device.type == "cpu":  # another device would have to be awaited
                    self.check_observed()
                self.seconds += time.perf_counter() - start
                self.midway = False
                # A list, not a generator: every callback sees the iteration also when one asks to stop.
                if False in [callback.on_iteration(self, metrics) for callback in callbacks]:
                    break
        self.check_observed()

    def check_observed(self) -> None:
        """Raise `NonFiniteError` if an observation of the training was NaN or infinite; waits for the device."""
        transitions = getattr(self, "transitions", None)
        if transitions is not None:
            transitions.watch.check()

    def policy(self, preference: Any) -> Policy:
        """The policies for preferences (B, m), or one policy for (m,), checked to be weight vectors."""
        checked = torch.as_tensor(weights.validate(preference, self.num_objectives), dtype=torch.float32)
        return WeightPolicy(self, checked.reshape(-1, self.num_objectives).to(self.device))

    def save(self, path: str | Path) -> Path:
        """Write the agent as an artefact that can act: a folder of safetensors and JSON, never pickle."""
        return store.save(path, self.to_state(), format=FORMAT, version=SCHEMA_VERSION, own=self.own)

    def to_state(self) -> dict[str, Any]:
        """What `save` writes, and `from_state` makes an agent of: a nested dict of tensors and JSON values."""
        header = {
            "agent": registry.agent_path(type(self)),
            "name": self.name,
            "config": asdict(self.config),
            "spec": self.spec.to_dict(),
            "gamma": self.gamma,
            "seed": self.seed,
            "steps": self.steps,
            "seconds": self.seconds,
        }
        return {"header": header, "parameters": self.parameters_state()}

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        env: Any = None,
        device: torch.device | str = "cpu",
        trust: Trust = False,
    ) -> Self:
        """The agent that `save` wrote; with `env` it can go on learning, without it can act.

        Raises:
            CheckpointError: the folder is damaged, foreign, or holds another kind of agent.
            TrustError: it names code that is not registered, and comes from elsewhere: see `morl.trust`.
        """
        state, signed = store.load_signed(path, format=FORMAT, version=SCHEMA_VERSION, device=device)
        return cls.from_state(state, env=env, device=device, source=str(path), trust=signed or trust)

    @classmethod
    def from_state(
        cls,
        state: dict[str, Any],
        *,
        env: Any = None,
        device: torch.device | str = "cpu",
        source: str = "the state",
        trust: Trust = False,
    ) -> Self:
        """The agent that `to_state` described; errors name the `source`."""
        with store.decoding(source):
            header, parameters = checked_header(state["header"]), state["parameters"]
            values = [header["config"]]
            if header["agent"] == registry.agent_path(cls):  # said by the user, who calls a method of it
                check(code_names(values=values), source, trust)
                kind: type[Agent] = cls
            else:
                check(code_names(header["agent"], values=values), source, trust)
                kind = registry.agent_class(header["agent"])
            if not issubclass(kind, cls):
                raise CheckpointError(
                    f"expected a {cls.__name__} in {source}, found {header['name']}; use morl.load"
                )
            spec = EnvSpec.from_dict(header["spec"], device)
            config = make_config(kind, None, restore_tuples(header["config"]))
            agent = kind(spec if env is None else env, seed=header["seed"], config=config)
            agent.gamma, agent.steps, agent.seconds = header["gamma"], header["steps"], header["seconds"]
            agent.load_parameters(parameters)
            check_acts(agent)
            agent.load_parameters(parameters)  # anew: acting may draw random numbers
        agent.own = trust is True or env is not None
        return agent


def checked_header(header: Any) -> dict[str, Any]:
    """The header of a saved agent, if every entry is there and of the right kind; else a `MorlError`."""
    found = {name: header[name] for name in HEADER}
    for name, kind in HEADER.items():
        if isinstance(found[name], bool) or not isinstance(found[name], kind):
            raise MorlError(f"expected {name} of another type in the header, got {found[name]!r}")
    check_progress(found["steps"], found["seconds"])
    seeds = found["seed"] if isinstance(found["seed"], list) else [found["seed"]]
    if not all(isinstance(seed, int) and 0 <= seed < 2**63 for seed in seeds):
        raise MorlError(f"expected a seed from 0 to 2**63 - 1, got {found['seed']}")
    return found | {"gamma": registry.check_discount(found["gamma"])}


def check_progress(steps: Any, seconds: Any) -> None:
    """Refuse what cannot be the steps and the seconds of a training."""
    if isinstance(steps, bool) or not isinstance(steps, int) or not 0 <= steps < 2**63:
        raise MorlError(f"expected the steps of a training, got {steps!r}")
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < 2**63:
        raise MorlError(f"expected the seconds of a training, got {seconds!r}")


@torch.no_grad()
def check_acts(agent: Agent) -> None:
    """Refuse an agent, just loaded, whose parameters do not fit each other: it is asked for one action."""
    spec, m = agent.spec, agent.num_objectives
    space = spec.single_observation_space
    obs = torch.from_numpy(np.zeros((1, *(space.shape or ())), space.dtype)).to(agent.device)
    policies = [agent.policy(torch.full((1, m), 1 / m))]
    follow = getattr(agent, "follow", None)
    if follow is not None and len(agent.returns):  # type: ignore[attr-defined]
        policies.append(follow(torch.zeros(1, dtype=torch.int64, device=agent.device)))
    for action in (policy.act(obs) for policy in policies):
        if len(action) != 1 or not action.isfinite().all():
            raise MorlError(f"expected an action of {spec.single_action_space}, got {action}")


def load(
    path: str | Path, *, env: Any = None, device: torch.device | str = "cpu", trust: Trust = False
) -> Agent:
    """The agent of any kind that `Agent.save` wrote to `path`.

    Args:
        path: the folder.
        env: an environment to go on learning in.
        device: where the agent acts.
        trust: allow a class that is not registered also in a folder from elsewhere; see `morl.trust`.
    """
    return Agent.load(path, env=env, device=device, trust=trust)


def make_config(kind: type[Agent], config: Any, settings: dict[str, Any]) -> Any:
    """The agent's configuration from an instance or from keywords, with a helpful error for a wrong name."""
    if config is not None:
        if settings:
            raise MorlError(f"expected config or keyword settings, got both config and {sorted(settings)}")
        if not isinstance(config, kind.Config):
            raise MorlError(f"expected a {kind.__name__}.Config, got {type(config).__name__}")
        return config
    if not is_dataclass(kind.Config):
        raise MorlError(f"expected {kind.__name__}.Config to be a dataclass; write it as one")
    known = [field.name for field in fields(kind.Config)]
    for name in settings:
        if name not in known:
            raise MorlError(
                f"{kind.__name__} has no setting {name!r}.{registry.suggest(name, known)} "
                f"Settings: {', '.join(known)}"
            )
    try:
        return kind.Config(**settings)
    except (TypeError, OverflowError) as error:  # a MorlError says more
        raise MorlError(
            f"expected settings that {kind.__name__} takes, got one of another type: {error}"
        ) from error


def restore_tuples(values: dict[str, Any]) -> dict[str, Any]:
    """JSON turns tuples into lists; frozen configurations hold tuples, nested settings too."""

    def restored(value: Any) -> Any:
        if isinstance(value, dict):
            return restore_tuples(value)
        return tuple(value) if isinstance(value, list) else value

    return {name: restored(value) for name, value in values.items()}


def check_finite(metrics: dict[str, Any], where: str) -> None:
    """Raise `NonFiniteError` naming the first metric that is NaN or infinite."""
    for name, value in metrics.items():
        number = float(value)
        if number != number or number in (float("inf"), float("-inf")):
            raise NonFiniteError(
                f"expected finite numbers, got {name} = {number} {where}; "
                "lower the learning rate, or check the environment's rewards with `morl check-env`"
            )
