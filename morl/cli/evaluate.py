"""`morl evaluate`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from morl import weights as preference_weights
from morl._arrays import Array, as_vector
from morl.agent import load
from morl.artefact import ChosenPolicy, environment_of, is_policy, load_policy
from morl.cli.notation import reference_points
from morl.cli.options import Evaluate, Trained
from morl.cli.output import say
from morl.cli.tables import print_comparison
from morl.comparison import compare
from morl.devices import check_device
from morl.errors import MorlError
from morl.evaluation import evaluate
from morl.front import Front
from morl.front_file import to_json
from morl.runs import FRONT_FILE, Run, is_run
from morl.trust import check, code_names
from morl.writing import create, free_name


def run(options: Evaluate) -> None:
    """Evaluate, print, write the front."""
    check_device(options.device)
    found = subject(options)
    if found.policy is None:
        weights = preferences(options, found.agent.num_objectives)
    else:
        given = "--weights" if options.weights else None if options.partitions is None else "--partitions"
        weights = found.fixed_preference(given)
    check_out(options.out)
    reference = _reference_point(options, found.agent.num_objectives)
    front = evaluate(
        found.agent,
        found.env,
        weights=weights,
        episodes=options.episodes,
        max_steps=options.max_steps,
        seed=options.seed,
        backend=options.backend,
        gamma=options.gamma,
        device=options.device,
        env_kwargs=found.env_kwargs,
        threads=options.threads,
        members=options.members,
    )
    front = found.signed(front)
    if reference is not None:
        front = replace(front, reference_point=reference)
    out = save_beside(front, options.path) if options.out is None else front.save(options.out)
    comparison = compare({str(options.path): front}, known_front=options.known_front)
    print_comparison(comparison)
    if options.diagnose:
        from morl.cli.diagnosis import print_diagnosis

        print_diagnosis(front, comparison.values[str(options.path)], options.path)
    say(f"front: {out}")


def _reference_point(options: Evaluate, m: int) -> Array | None:
    """The reference point (m,) that is asked for, looked at before minutes of evaluation."""
    given = reference_points(options.reference_point)
    return None if given is None else as_vector(given, name="the reference point", m=m)


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


def check_out(out: Path | None) -> None:
    """Refuse to replace the front that a training ended with."""
    if out is not None and out.name == FRONT_FILE and is_run(out.parent):
        raise MorlError(
            f"expected another file for an evaluation, {out} is the result of the training; leave --out out, or "
            f"choose {out.with_name('front-2.json')}"
        )


def save_beside(front: Front, folder: Path) -> Path:
    """Write the front as a new file of the folder: of evaluations at the same time each has its own."""
    start = 2 if is_run(folder) else 1  # a run's front.json is that of its training, which may be yet to come
    while True:
        path = free_name(folder / FRONT_FILE, start=start)
        try:
            return create(path, to_json(front))
        except FileExistsError:
            continue


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
