"""`morl train`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from morl.cli.notation import pace
from morl.cli.options import Train
from morl.cli.output import say
from morl.cli.tables import print_comparison
from morl.comparison import compare
from morl.errors import MorlError
from morl.runs import UNBEGUN, Run, RunConfig, is_run, is_unbegun

EXAMPLE = "morl train deep-sea-treasure-v0 --agent envelope-dqn --steps 1e5"


def run(options: Train) -> None:
    """Create or resume the run, train it, print what came out."""
    out = default_folder(options) if options.out is None else options.out
    with nothing_left_of_mistakes(out):
        training = open_run(options, out)
        front = training.train(
            progress=not options.quiet,
            evaluation_seconds=pace(options.evaluate_every).seconds,
            checkpoint_seconds=options.checkpoint_every,
            threads=options.threads,
        )
    print_comparison(compare({str(out): front}))
    say(f"run: {out}")


@contextmanager
def nothing_left_of_mistakes(out: Path) -> Iterator[None]:
    """Remove the run directory that was made inside, if an error ends the training before it begins.

    What is wrong with an environment, a setting or a budget may show only when they are put together.
    """
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    before = set() if made else set(out.iterdir()) if out.is_dir() else None
    try:
        yield
    except Exception:
        if before is not None and out.is_dir():
            added = [file for file in out.iterdir() if file not in before]
            if all(file.name in UNBEGUN for file in added):
                for file in added:
                    file.unlink()
                with suppress(OSError):  # another command writes there by now
                    for folder in made:
                        folder.rmdir()
        raise


def open_run(options: Train, out: Path) -> Run:
    """The run to train: a new one, or with --resume the one that is there."""
    exists = is_run(out)
    if options.resume and out.exists() and not exists and not is_unbegun(out):
        raise MorlError(f"expected a run to resume, {out} holds none; check --out")
    if not (options.resume and exists):
        return Run.create(out, config_of(options))
    wanted = config_of(options)
    found = Run.open(out, trust=options.trust or wanted.code_names())
    found.adopt(wanted)
    return found


def config_of(options: Train) -> RunConfig:
    """The configuration that the flags describe."""
    required = {"ENV": options.env, "--agent": options.agent, "--steps": options.steps}
    missing = [flag for flag, value in required.items() if value is None]
    if options.env is None or options.agent is None or options.steps is None:
        raise MorlError(f"expected {', '.join(missing)}; for example: {EXAMPLE}")
    return RunConfig(
        env=options.env,
        agent=options.agent,
        total_steps=options.steps,
        seed=options.seed,
        num_envs=options.num_envs,
        backend=options.backend,
        compile=options.compile,
        device=options.device,
        env_kwargs=options.env_kwargs
        if options.max_episode_steps is None
        else {**options.env_kwargs, "max_episode_steps": options.max_episode_steps},
        evaluation_steps=pace(options.evaluate_every).steps,
        settings=asdict(getattr(options, "settings")),  # noqa: B009 - a field of the class made for the agent
    )


def default_folder(options: Train) -> Path:
    """`runs/ENV-AGENT-SEED`."""
    if options.env is None or options.agent is None:
        config_of(options)  # says what is missing
    return Path("runs") / file_name(f"{options.env}-{options.agent}-{options.seed}")


def file_name(text: str) -> str:
    """`text` with nothing but characters that every file system takes."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in text)
