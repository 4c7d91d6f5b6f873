"""`morl evaluate`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from morl import weights as preference_weights
from morl._arrays import Array
from morl.agent import load
from morl.artefact import ChosenPolicy, environment_of, is_policy, load_policy
from morl.cli.options import Evaluate, Trained
from morl.cli.output import say
from morl.cli.tables import print_comparison
from morl.comparison import compare
from morl.devices import check_device
from morl.errors import MorlError
from morl.evaluation import evaluate
from morl.front import Front
from morl.runs import Run, is_run
from morl.trust import check, code_names


def run(options: Evaluate) -> None:
    """Evaluate, print, write the front."""
    check_device(options.device)
    found = subject(options)
    if found.policy is None:
        weights = preferences(options, found.agent.num_objectives)
    else:
        given = "--weights" if options.weights else None if options.partitions is None else "--partitions"
        weights = found.fixed_preference(given)
    out = free_name(options.path) if options.out is None else options.out
    front = evaluate(
        found.agent,
        found.env,
        weights=weights,
        episodes=options.episodes,
        seed=options.seed,
        backend=options.backend,
        gamma=options.gamma,
        device=options.device,
        env_kwargs=found.env_kwargs,
        threads=options.threads,
        members=options.members,
    )
    front = found.signed(front)
    front.save(out)
    comparison = compare({str(options.path): front})
    print_comparison(comparison)
    if options.diagnose:
        from morl.cli.diagnosis import print_diagnosis

        print_diagnosis(front, comparison.values[str(options.path)], options.path)
    say(f"front: {out}")


def preferences(options: Evaluate, m: int) -> Any:
    """The preferences (k, m) that the flags ask for; None for the default ones."""
    if options.weights and options.partitions is not None:
        raise MorlError("expected --weights or --partitions, got both")
    if options.partitions is not None:
        return preference_weights.lattice(m, partitions=options.partitions)
    if not options.weights:
        return None
    try:
        rows = [[float(number) for number in word.split(",")] for word in options.weights]
    except ValueError:
        given = " ".join(options.weights)
        raise MorlError(
            f"expected --weights as numbers with commas, such as 0.5,0.5 0.9,0.1; got {given}"
        ) from None
    for row in rows:
        preference_weights.validate(row, m)
    return rows


def free_name(folder: Path, stem: str = "front", suffix: str = ".json") -> Path:
    """`front.json` in the folder, or `front-2.json` and so on where that is taken."""
    name, number = folder / f"{stem}{suffix}", 2
    while name.exists():
        name, number = folder / f"{stem}-{number}{suffix}", number + 1
    return name


class Subject(NamedTuple):
    """What a path on the command line stands for."""

    agent: Any
    """An agent, or a policy in the place of one."""
    env: str
    env_kwargs: dict[str, Any]
    policy: ChosenPolicy | None = None
    """The policy, where the path holds one that was chosen."""

    def fixed_preference(self, flag: str | None) -> Array:
        """The preference (m,) of the policy, equal weights where it has none; a `flag` for others is refused."""
        assert self.policy is not None
        if flag is not None:
            raise MorlError(f"expected no {flag}: what {self.policy!r} does is fixed; give its run instead")
        m = self.agent.num_objectives
        return np.full(m, 1 / m) if self.policy.preference is None else self.policy.preference

    def signed(self, front: Front) -> Front:
        """The front without preferences, where the policy has none and they were placeholders."""
        nameless = self.policy is not None and self.policy.preference is None
        return replace(front, weights=None, answers=None) if nameless else front


def subject(options: Trained) -> Subject:
    """The agent or the chosen policy, its environment and that environment's keyword arguments."""
    path, env, given, trust = options.path, options.env, options.env_kwargs, options.trust
    if is_run(path):
        run = Run.open(path, trust=trust)
        kwargs = run.config.env_kwargs if env is None else {}
        agent: Any = run.load_agent(options.device)
        return Subject(agent, run.config.env if env is None else env, {**kwargs, **given})
    if is_policy(path):
        policy = load_policy(path, device=options.device, trust=trust)
        if env is not None:
            return Subject(policy, env, given, policy)
        env, kwargs = environment_of(policy, trust)
        return Subject(policy, env, {**kwargs, **given}, policy)
    agent = load(path, device=options.device, trust=trust)
    if env is None:
        check(code_names(agent.env_id), path, trust or agent.own)
    return Subject(agent, agent.env_id if env is None else env, given)
