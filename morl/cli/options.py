"""The options of every command as dataclasses, which tyro turns into flags and help.

Imports neither torch nor the environments. `train` is parsed in two stages: the agent named in the arguments
(or by the run or recipe to go by) is looked up first, and its settings become flags, `--agent.learning-rate`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from tyro.conf import FlagCreatePairsOff, Positional, UseAppendAction, arg

from morl.cli.choice_options import Choose, Elicit
from morl.cli.reading_options import Export, Reading
from morl.errors import MorlError

if TYPE_CHECKING:
    from morl.runs import RunConfig
    from morl.trust import Trust


def _named(metavar: str, hint: str = "") -> Any:
    """How help shows an option whose default says nothing."""
    return arg(metavar=metavar, help_behavior_hint=hint)


Backend = Literal["auto", "batched", "original", "async", "sync", "envpool"]
Switch = FlagCreatePairsOff[bool]


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train an agent on an environment, into a run directory that can be killed, resumed and compared.

    Name an agent to see its settings: `morl train ENV --agent NAME --help`.
    """

    module: ClassVar[str] = "morl.cli.train"

    env: Annotated[Positional[str | None], _named("ENV", "(required)")] = None
    """Environment id, ID[TERM,...] for terms of its info, or module:Class; `morl list envs` shows known ones."""
    agent: Annotated[str | None, _named("NAME", "(required)")] = None
    """Agent name or module:Class; `morl list agents` shows the known ones."""
    steps: Annotated[int | None, _named("INT", "(required)")] = None
    """Budget: environment steps in all, such as 2e6."""
    seed: int = 0
    """Seed of the agent and its training environments."""
    num_envs: Annotated[int | None, _named("INT")] = None
    """Environments in parallel; by default as many as suit agent, budget and environment."""
    device: str = "cpu"
    """Where to train, such as cpu or cuda."""
    backend: Backend = "auto"
    """What to train on: auto is the batched twin where there is one, else the original in a loop;
    async is as many processes as cores, which pays where a step takes long."""
    compile: Switch = False
    """Compile the batched environment: slow to start, then faster."""
    env_kwargs: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Keyword arguments of the environment; values as JSON or as Python writes them, else text."""
    max_episode_steps: Annotated[int | None, _named("INT")] = None
    """Time limit of the environment, needed where its episodes may not end: --env-kwargs max_episode_steps INT."""
    out: Annotated[Path | None, _named("DIR")] = None
    """Run directory; by default runs/ENV-AGENT-SEED."""
    like: Annotated[str | None, _named("RECIPE|RUN")] = None
    """Take environment, agent, budget and settings from a recipe (`morl list recipes`) or from another run; other
    options change them."""
    resume: Switch = False
    """Go on with the run in --out; everything else is then known, --steps may extend the budget."""
    evaluate_every: str = "30s"
    """Between two quick evaluations during training: a time such as 30s (also 5min, 1h, or plain seconds), or steps
    such as 50000steps or 5e4steps, which gives the same evaluations in every repetition. The untrained agent and the
    trained one are evaluated in any case."""
    checkpoint_every: float = 60.0
    """Least seconds between two checkpoints."""
    threads: Annotated[
        int | Literal["auto"] | None, _named("INT|auto", "(default: auto; a resumed run's own)")
    ] = None
    """Threads to compute with; auto is one, unless more are measured to pay or OMP_NUM_THREADS says otherwise."""
    step_timeout: Annotated[float, _named("SECONDS")] = 60.0
    """What one step, or another call, of an environment in a process (async) may take; 0 for no limit."""
    trust: Switch = False
    """Import and call whatever the run of --resume or --like names, though it comes from elsewhere."""
    quiet: Switch = False
    """Show no progress."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Which agent, in which environment."""

    path: Annotated[Positional[Path], arg(metavar="RUN|AGENT|POLICY")]
    """A run directory, or the folder of a saved agent or of a chosen policy."""
    env: Annotated[str | None, _named("ENV")] = None
    """Environment id or module:Class; by default the one that the agent was trained on."""
    env_kwargs: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Keyword arguments of the environment, beside those of the run; values as JSON or as in Python, else text."""
    device: str = "cpu"
    """Where the agent acts."""
    threads: Annotated[int | Literal["auto"], _named("INT|auto")] = "auto"
    """Threads to compute with; auto is one, unless more are measured to pay or OMP_NUM_THREADS says otherwise."""
    trust: Switch = False
    """Import and call whatever a folder that comes from elsewhere names; it can do anything."""


@dataclass(frozen=True, kw_only=True)
class Evaluate(Trained):
    """Evaluate a trained agent on fresh episodes, by default of the original environment."""

    module: ClassVar[str] = "morl.cli.evaluate"

    weights: Annotated[tuple[str, ...], _named("W1,W2,...")] = ()
    """Preferences, each non-negative and summing to one, such as 0.5,0.5 0.9,0.1."""
    partitions: Annotated[int | None, _named("INT")] = None
    """Instead of --weights, the lattice with this many partitions; by default the coarsest with over 100."""
    members: Switch = True
    """Of an agent that is a set of policies, follow all of them, also those that no preference asks for."""
    episodes: Annotated[int | None, _named("INT")] = None
    """Episodes per point; by default one where nothing is left to chance, 20 where episodes differ."""
    max_steps: Annotated[int | None, _named("INT")] = None
    """Cut every episode off after this many steps."""
    seed: int = 1
    """Seed of the evaluation."""
    backend: Backend = "original"
    """What to evaluate on; published numbers come from original."""
    step_timeout: Annotated[float, _named("SECONDS")] = 60.0
    """What one step, or another call, of an environment in a process (async) may take; 0 for no limit."""
    gamma: Annotated[float | None, _named("FLOAT")] = None
    """Discount; by default that of the agent."""
    out: Annotated[Path | None, _named("FILE")] = None
    """Where to write the front; by default a new file in the run directory."""
    reference_point: Annotated[tuple[str, ...], _named("R1 R2")] = ()
    """Of the hypervolume, one number per objective, kept in the front; by default that of the environment."""
    known_front: Annotated[Path | None, _named("FILE")] = None
    """The best front known, in any file that `morl compare` reads, shown beside; by default what the environment or
    its card knows."""
    diagnose: Switch = False
    """Print what to look at when a front is poor: whom it serves, how objectives conflict, members' curves."""


@dataclass(frozen=True, kw_only=True)
class Play(Trained):
    """Film a trained agent's greedy policy for one preference, on the original environment."""

    module: ClassVar[str] = "morl.cli.play"

    weights: Annotated[tuple[str, ...], _named("W1 W2 ...", "(required, but for a policy)")] = ()
    """The preference: non-negative numbers that sum to one, such as 0.3 0.7."""
    out: Annotated[Path | None, _named("FILM")] = None
    """The film: .gif, or .mp4 with the extra `video`; by default a new GIF in the run directory."""
    episodes: int = 1
    """Episodes, one after the other."""
    seed: int = 1
    """Seed of the episodes, as for `morl evaluate`."""
    fps: Annotated[float | None, _named("FLOAT")] = None
    """Pictures per second; by default the environment's own, at most 30."""
    max_steps: Annotated[int | None, _named("INT")] = None
    """Cut every episode off after this many steps."""
    no_render: Switch = False
    """Make no film, only print what was earned."""


@dataclass(frozen=True, kw_only=True)
class Compare(Reading):
    """Compare runs and fronts: tables with statistics over seeds, pictures, and a report to explore.

    Runs of one agent on one environment with different seeds form a group; every environment has a table of
    its own. Reads run directories, front.json, CSV, NumPy arrays, JSON, MORL-Baselines' W&B tables, and folders.
    """

    module: ClassVar[str] = "morl.cli.compare"

    out: Annotated[UseAppendAction[tuple[Path, ...]], _named("FILE", "(repeatable)")] = ()
    """Where to write: .html for the report, .csv, .json, .tex for tables, .png, .svg, .pdf for pictures."""
    picture: Literal["fronts", "attainment", "difference", "curves", "intervals", "profiles"] = "fronts"
    """Of pictures: fronts over one another, what half of the seeds attain, where two groups differ in that,
    learning curves, indicators with intervals, or profiles of scores over environments."""
    runs: Switch = False
    """Show every run, not only its group."""
    indicators: Annotated[tuple[str, ...], _named("NAME ...", "(default: the common ones)")] = ()
    """Columns of the tables, or all; `morl list indicators` shows them."""
    statistic: Literal["iqm", "median"] = "iqm"
    """What stands for the seeds of a group: their interquartile mean or their median."""
    reference_point: Annotated[tuple[str, ...], _named("R1 R2|ENV=R1,R2 ...")] = ()
    """Of the hypervolume, one number per objective, of several environments by environment; by default that of the
    environment or its protocol, else one below the fronts."""
    known_front: Annotated[tuple[str, ...], _named("FILE|ENV=FILE ...")] = ()
    """The best front known, in any file that is read here; by default that of the environment or its card, else the
    union of all fronts."""
    reorder: Switch = False
    """Put objectives in one order where fronts name the same in another; else that is refused."""
    split_discounts: Switch = False
    """Give every discount of an environment a table of its own; else several are refused."""


@dataclass(frozen=True, kw_only=True)
class List:
    """List what is known by name."""

    module: ClassVar[str] = "morl.cli.listing"

    what: Positional[Literal["envs", "agents", "recipes", "indicators"]]
    """What to list."""
    ids: Annotated[Positional[tuple[str, ...]], _named("[ID ...]")] = ()
    """Environments to print all of: units and directions, spaces, protocols and their sources."""


@dataclass(frozen=True, kw_only=True)
class CheckEnv:
    """Check whether morl can run an environment; if not, say what to fix."""

    module: ClassVar[str] = "morl.cli.check"

    env: Annotated[Positional[str], arg(metavar="ENV")]
    """Environment id, ID[TERM,...] for terms of its info, or module:Class."""
    env_kwargs: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Keyword arguments of the environment; values as JSON or as Python writes them, else text."""


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Train agents and baselines on deep-sea-treasure and compare them with the exact front: about 20 seconds."""

    module: ClassVar[str] = "morl.cli.demo"

    out: Annotated[Path, arg(metavar="DIR")] = Path("runs/demo")
    """Where to write; an earlier demo there is moved aside."""
    seed: int = 0
    """Seed of all trainings."""


COMMANDS: dict[str, type] = {
    "train": Train,
    "evaluate": Evaluate,
    "play": Play,
    "choose": Choose,
    "elicit": Elicit,
    "compare": Compare,
    "export": Export,
    "list": List,
    "check-env": CheckEnv,
    "demo": Demo,
}


def train_options(arguments: Sequence[str]) -> type:
    """`Train` with the settings of the agent that `arguments` name, or that the run to resume or to follow has.

    That run's configuration becomes the defaults, so `morl train --resume --out DIR` is enough, or a recipe's name.
    """
    name, out = flag_value(arguments, "--agent"), flag_value(arguments, "--out")
    like = flag_value(arguments, "--like")
    allowed = said(arguments)
    config = None if like is None else _to_follow(like, allowed)
    same = ["env", "agent", "num_envs", "backend", "compile", "env_kwargs"]
    if "--resume" in arguments and out is not None:
        from morl.runs import Run, is_run

        if is_run(out):
            config, same = Run.open(out, trust=allowed).config, [*same, "seed", "device"]
    if config is None:
        return Train if name is None else _with_agent(name, {}, {})
    defaults = {field: getattr(config, field) for field in same} | {"steps": config.total_steps}
    if config.evaluation_steps is not None:
        defaults["evaluate_every"] = f"{config.evaluation_steps}steps"
    if name in (None, config.agent):
        return _with_agent(config.agent, config.settings, defaults)
    del defaults["num_envs"]  # another agent asks for its own, as it has settings of its own
    return _with_agent(name, {}, defaults)


def said(arguments: Sequence[str]) -> Trust:
    """Which names of code the user allows: everything with --trust, else the words of the command."""
    words = {part for argument in arguments for part in (argument, argument.partition("=")[2])}
    return "--trust" in words or words


def _to_follow(like: str, allowed: Trust) -> RunConfig:
    """The configuration of the recipe, or of the run, that `like` names."""
    from morl import recipes, registry
    from morl.runs import Run, is_run

    if like in recipes.names():
        return recipes.load(like)
    if is_run(like):
        return Run.open(like, trust=allowed).config
    raise MorlError(
        f"expected a recipe or a run directory after --like, got {like!r}."
        f"{registry.suggest(like, recipes.names())} `morl list recipes` shows the recipes"
    )


def _with_agent(name: str, settings: dict[str, Any], defaults: dict[str, Any]) -> type:
    """A subclass of `Train` with the field `settings`, the agent's `Config`, and with these defaults."""
    from morl.agent import make_config, restore_tuples
    from morl.registry import agent_class

    kind: Any = agent_class(name)
    config = make_config(kind, None, restore_tuples(settings))
    # Checked when the run is created: tyro would report what __post_init__ raises as a failure to parse.
    unchecked = dataclasses.make_dataclass(
        "Config",
        [],
        bases=(kind.Config,),
        frozen=True,
        kw_only=True,
        namespace={"__post_init__": lambda self: None, "__doc__": kind.Config.__doc__},
    )
    initial = unchecked(**{field.name: getattr(config, field.name) for field in dataclasses.fields(config)})
    own = [
        (field.name, field.type, dataclasses.field(default_factory=partial(defaults.get, field.name)))
        for field in dataclasses.fields(Train)
        if field.name in defaults
    ]
    agent = ("settings", Annotated[unchecked, arg(name="agent")], dataclasses.field(default=initial))
    options = dataclasses.make_dataclass(
        "Train",
        [*own, agent],
        bases=(Train,),
        frozen=True,
        kw_only=True,
        namespace={"__doc__": Train.__doc__},
    )
    options.__module__ = __name__
    return options


def flag_value(arguments: Sequence[str], name: str) -> str | None:
    """The value of `name VALUE` or `name=VALUE`; the last one counts, as it does for tyro."""
    value = None
    for i, argument in enumerate(arguments):
        if argument == name and i + 1 < len(arguments):
            value = arguments[i + 1]
        elif argument.startswith(name + "="):
            value = argument[len(name) + 1 :]
    return value
