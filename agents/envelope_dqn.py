"""EnvelopeDQN: one vector-valued Q network for all preferences (Yang et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import torch
from gymnasium.spaces import Discrete
from torch import Tensor

from morl.agent import Agent
from morl.agents import dqn
from morl.agents.exploration import PersistentExploration
from morl.agents.networks import QNetwork
from morl.agents.optim import AdamState, adam_init
from morl.agents.settings import check_positive, check_types, check_unit, flat_observations, geometric
from morl.errors import MorlError
from morl.normalise import ObservationNormaliser
from morl.replay import Replay
from morl.rollout import EpisodeReturns, renew
from morl.streams import derive_seed, make_generator
from morl.threads import Workload
from morl.transitions import Transitions


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of `EnvelopeDQN`."""

    gamma: float | None = None
    """Discount; None takes the environment's default protocol (0.99 without a card)."""
    replay: int = 1_500_000
    """Environment steps kept in the replay, over all environments."""
    recency: float = 3.0
    """The newest steps are sampled more often (`Replay.sample`; 1: all alike). What the greedy policies of now do
    wrong, such as stalling, must make up much of what is learned from, while rare finds must not be forgotten."""
    n_steps: int = 16
    """Length of the sequences sampled from the replay; targets reach over at most so many steps (1: one-step)."""
    minibatch: int = 512
    """Steps in one update."""
    replay_ratio: float = 3.0
    """Steps learned from for each step collected."""
    envelope_weights: int = 1
    """Weights sampled for the envelope's maximum beside each sequence's own."""
    relabel: float = 0.5
    """Fraction of sequences that learn for fresh uniform weights instead of those the behaviour followed."""
    tolerance: float = 0.001
    """How much less than the greedy action an action may promise and count as greedy, in units of the largest
    reward."""
    caution: float = 0.125
    """Values assume that this share of the actions to come is random, at first: greedy behaviour then keeps clear
    of edges where one wrong step loses everything, or stalls for ever (0: the paper's)."""
    caution_from: float = 0.4
    """Fraction of the budget after which caution falls."""
    caution_until: float = 0.7
    """Fraction of the budget after which caution is zero."""
    action_gap: float = 0.6
    """How far differences between actions are stretched, by 1 / (1 - action_gap) (advantage learning, Bellemare et
    al. 2016): the cost of waiting one step is too small beside a whole return to be learned as it is."""
    optimism: float = 0.25
    """Fraction of the budget during which the better of return and value is the target: finds sparse rewards
    quickly and keeps them."""
    optimism_until: float = 0.6
    """Fraction of the budget during which returns that beat the value by `margin` still are; later, luck counts."""
    margin: float = 0.02
    """By how much they must, in units of the largest reward."""
    warmup: float = 0.1
    """Fraction of the budget spent on random play before learning begins, at most `warmup_max` steps."""
    warmup_max: int = 200_000
    """Most environment steps of random play."""
    lr: float = 1e-3
    """Adam's learning rate at the start; it falls geometrically to `lr_end`."""
    lr_end: float = 3e-5
    """Learning rate at the end of the budget."""
    tau: float = 0.01
    """Step of the target parameters' exponential average towards the online ones."""
    average_tau: float = 0.0003
    """Step of the slower average whose greedy policy is evaluated."""
    homotopy_end: float = 0.7
    """Weight of the scalar loss at the end of the budget; it rises linearly from 0."""
    epsilon_max: float = 0.9
    """Probability of exploring in the environment that explores most."""
    epsilon_min: float = 0.01
    """In the one that explores least; the others lie between, evenly in the logarithm."""
    max_repeat: int = 1
    """A random action is held for a heavy-tailed number of steps, at most this many (1: no repetition)."""
    preference_steps: int = 100
    """Mean number of steps after which an environment changes its preference inside an episode."""
    max_grad_norm: float = 10.0
    """Gradients are scaled down to this norm."""
    hidden: tuple[int, ...] = (128, 128)
    """Widths of the hidden layers."""

    def __post_init__(self) -> None:
        check_types(self)
        check_positive(self, "replay", "recency", "n_steps", "minibatch", "replay_ratio", "lr", "lr_end")
        check_positive(self, "preference_steps", "max_repeat", "max_grad_norm", "epsilon_max", "epsilon_min")
        check_positive(self, "envelope_weights", "tolerance", "margin", "warmup_max", zero=True)
        check_unit(self, "relabel", "optimism", "optimism_until", "warmup", "homotopy_end", "action_gap")
        check_unit(self, "epsilon_max", "epsilon_min", "tau", "average_tau")
        check_unit(self, "caution", "caution_from", "caution_until")
        if self.epsilon_min > self.epsilon_max:
            raise MorlError(
                f"expected epsilon_min <= epsilon_max, got {self.epsilon_min} and {self.epsilon_max}"
            )
        if self.action_gap == 1:
            raise MorlError("expected action_gap below 1, got 1: values would not be determined")


class EnvelopeDQN(Agent):
    """Envelope Q-learning (Yang et al. 2019) over many environments at once, for discrete actions.

    Deviations, each a setting: targets reach over several steps for as long as the behaviour acted greedily
    (`n_steps`; 1 gives the paper's) and are made for a whole iteration at once, from which minibatches of steps in
    random order are learned; returns that beat the current value are followed, too (`optimism`, `optimism_until`);
    and exploration is massive: random play in all environments first, then a ladder of exploration rates (Horgan
    et al. 2018). Sparse rewards such as minecart's ore are found by that; one-step targets end up idling there.
    Against greedy policies that stall: normalised layers, recent experience (`recency`), values that allow for
    slips (`caution`) and stretched differences between actions (`action_gap`).
    """

    name = "envelope-dqn"
    flattens = True
    Config: TypeAlias = Config
    config: Config
    default_num_envs = 512
    CHUNK = 16
    """Steps of all environments in one iteration."""
    BLOCK = 256
    """Most sequences whose targets are made at once: what is computed on the way stays in a processor's cache."""

    def __init__(self, env: Any, *, seed: int = 0, config: Config | None = None, **settings: Any) -> None:
        super().__init__(env, seed=seed, config=config, **settings)
        actions = self.spec.single_action_space
        if not isinstance(actions, Discrete) or actions.start != 0:
            raise MorlError(
                f"EnvelopeDQN needs Discrete actions from 0, got {actions}; use ConditionedPPO for continuous actions"
            )
        obs_dim, n, config = flat_observations(self.spec), self.spec.num_envs, self.config
        self.network = QNetwork(obs_dim, int(actions.n), self.num_objectives, config.hidden)
        theta = self.network.init(make_generator("cpu", derive_seed(seed, 2)), self.device)
        self.learner = dqn.Learner(theta, theta.clone(), theta.clone(), adam_init(theta))
        self.normaliser = ObservationNormaliser((obs_dim,), clip=20.0, device=self.device)
        self.reward_scale = torch.zeros((), device=self.device)
        """Largest reward (of any objective) seen before learning began; values are learned in this unit."""
        self.owed = 0.0
        self.learning = False
        """Whether updates have begun."""
        if self.env is not None:
            self.transitions = Transitions(self.env)
            self.replay = Replay(
                max(2 * config.n_steps, config.replay // n), n,
                obs_shape=(obs_dim,), objectives=self.num_objectives, device=self.device,
            )  # fmt: skip
            self.exploration = PersistentExploration(
                int(actions.n), n, config.epsilon_max, config.epsilon_min, config.max_repeat, self.device
            )
            self.weights = torch.empty(0, device=self.device)
            self.returns = EpisodeReturns(self.num_objectives, self.device)

    # --- collect and update ------------------------------------------------------------------------------

    def iterate(self, max_steps: int) -> dict[str, Any]:
        """A few steps of every environment, each followed by the updates that the replay ratio owes."""
        config, n = self.config, self.spec.num_envs
        if len(self.weights) == 0:
            self.transitions.reset(derive_seed(self.seed, 0))
            self.weights = self.draw_preferences(n)
        for _ in range(min(self.CHUNK, max_steps // n)):
            warming = self.steps < min(config.warmup_max, config.warmup * self.total_steps)
            self._collect(warming)
            if not warming and len(self.replay) >= config.n_steps:
                self.learning = True
                self.owed += config.replay_ratio * n / config.minibatch
        updates = int(self.owed)
        self.owed -= updates
        metrics = self._learn(updates) if updates else {}
        return {**self.returns.report(), **metrics}

    @torch.no_grad()
    def _collect(self, warming: bool) -> None:
        config = self.config
        greedy = self._greedy(self.learner.theta, self.transitions.obs, self.weights)
        action = self.exploration(greedy, self.generator, always=warming)
        step = self.transitions.step(action)
        if not self.learning:  # afterwards both stand still, since the values learned depend on them
            self.normaliser.update(step.obs)
            self.reward_scale = torch.maximum(self.reward_scale, step.reward.abs().max())
        self.replay.add(step, self.weights)
        done = step.terminated | step.truncated
        self.returns.add(self.transitions.info, done)
        change = (
            torch.rand(len(action), generator=self.generator, device=self.device) * config.preference_steps
            < 1
        )
        self.weights = renew(self.weights, change | done, self.draw_preferences)
        self.steps += len(action)

    def _learn(self, updates: int) -> dict[str, Any]:
        """Make targets for as many steps as the updates take, then learn from them in random order."""
        config, progress = self.config, self.steps / max(1, self.total_steps)
        wanted = updates * config.minibatch
        blocks = -(-wanted // (self.BLOCK * config.n_steps))
        parts = [self._prepare(-(-wanted // (blocks * config.n_steps)), progress) for _ in range(blocks)]
        steps = dqn.Steps(*(torch.cat(part) for part in zip(*parts, strict=True)))
        order = torch.randperm(len(steps.action), generator=self.generator, device=self.device)
        for rows in order[:wanted].view(updates, -1):
            self.learner, metrics = self._updated(dqn.Steps(*(part[rows] for part in steps)), progress)
        return metrics

    def _updated(self, steps: dqn.Steps, progress: float) -> tuple[dqn.Learner, dict[str, Tensor]]:
        """The learner after one minibatch, and metrics."""
        config = self.config
        return dqn.update(
            self.network,
            self.learner,
            steps,
            lr=geometric(config.lr, config.lr_end, progress),
            homotopy=config.homotopy_end * progress,
            tau=config.tau,
            average_tau=config.average_tau,
            max_grad_norm=config.max_grad_norm,
        )

    def workload(self) -> Workload:
        """One minibatch."""
        obs, weights = (
            torch.ones(self.config.minibatch, width, device=self.device)
            for width in (flat_observations(self.spec), self.num_objectives)
        )
        return partial(self._updated, dqn.blank_steps(obs, weights), 0.0)

    def _prepare(self, sequences: int, progress: float) -> dqn.Steps:
        config = self.config
        batch = self.replay.sample(sequences, config.n_steps, self.generator, recency=config.recency)
        batch = batch._replace(
            obs=self.normaliser(batch.obs),
            next_obs=self.normaliser(batch.next_obs),
            reward=batch.reward / torch.where(self.reward_scale > 0, self.reward_scale, 1.0),
        )
        fresh = self.draw_preferences(sequences * (1 + config.envelope_weights))
        fresh = fresh.view(1 + config.envelope_weights, sequences, -1)
        relabel = torch.rand(sequences, 1, generator=self.generator, device=self.device) < config.relabel
        optimism = config.margin if progress >= config.optimism else 0.0
        falling = (progress - config.caution_from) / max(1e-9, config.caution_until - config.caution_from)
        return dqn.learning_steps(
            self.network,
            self.learner,
            batch,
            torch.where(relabel, fresh[0], batch.weights[0]),
            fresh[1:],
            gamma=self.gamma,
            tolerance=config.tolerance,
            caution=config.caution * (1 - min(1.0, max(0.0, falling))),
            action_gap=config.action_gap,
            optimism=optimism if progress < config.optimism_until else None,
        )

    def _greedy(self, theta: Tensor, obs: Tensor, weights: Tensor) -> Tensor:
        q = self.network(theta, self.normaliser(obs), weights)
        return (q * weights.unsqueeze(-2)).sum(dim=-1).argmax(dim=-1)

    # --- act, save, load ---------------------------------------------------------------------------------

    @torch.no_grad()
    def act(self, obs: Tensor, weights: Tensor) -> Tensor:
        """Greedy actions (B,) of the averaged parameters, for weights (B, m) or (m,)."""
        obs = torch.as_tensor(obs, device=self.device)
        weights = torch.as_tensor(weights, dtype=torch.float32, device=self.device).expand(obs.shape[0], -1)
        return self._greedy(self.learner.average, obs, weights)

    def parameters_state(self) -> dict[str, Any]:
        """The averaged parameters and the scales of observations and rewards."""
        return {
            "average": self.learner.average,
            "normaliser": self.normaliser.state(),
            "reward_scale": self.reward_scale,
        }

    def load_parameters(self, state: dict[str, Any]) -> None:
        """The inverse of `parameters_state`; training starts anew from them."""
        average = self.network.layout.checked(state["average"]).to(self.device)
        self.learner = dqn.Learner(average.clone(), average.clone(), average, adam_init(average))
        self.normaliser.load_state(state["normaliser"])
        self.reward_scale = state["reward_scale"].to(self.device)

    def training_state(self) -> dict[str, Any]:
        """Online parameters, optimiser, replay, exploration, generator and environment."""
        return {
            "theta": self.learner.theta,
            "target": self.learner.target,
            "adam": self.learner.adam._asdict(),
            "replay": self.replay.state(),
            "exploration": self.exploration.state(),
            "generator": self.generator.get_state(),
            "weights": self.weights,
            "owed": self.owed,
            "learning": self.learning,
            "transitions": self.transitions.state(),
            "returns": self.returns.state(),
        }

    def load_training(self, state: dict[str, Any]) -> None:
        """The inverse of `training_state`."""
        theta, target = (self.network.layout.checked(state[name]) for name in ("theta", "target"))
        self.learner = dqn.Learner(theta, target, self.learner.average, AdamState(**state["adam"]))
        self.replay.load_state(state["replay"])
        self.exploration.load_state(state["exploration"])
        self.generator.set_state(state["generator"].cpu())
        self.weights, self.owed, self.learning = state["weights"], state["owed"], state["learning"]
        self.returns.load_state(state["returns"])
        if state["transitions"]["env"] is None:
            self.replay.cut()  # these environments start new episodes
        self.transitions.load_state(state["transitions"], seed=derive_seed(self.seed, 0, self.steps))
