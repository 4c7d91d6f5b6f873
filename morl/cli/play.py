"""`morl play`."""

from __future__ import annotations

from typing import Any

from morl import weights as preference_weights
from morl.cli.evaluate import subject
from morl.cli.notation import weight_numbers
from morl.cli.options import Play
from morl.cli.output import say
from morl.cli.tables import literal, make_table, show
from morl.devices import check_device
from morl.errors import MorlError
from morl.front import Front
from morl.known import objectives_known
from morl.playback import play
from morl.writing import free_name


def run(options: Play) -> None:
    """Play, print what was earned, write the film."""
    check_device(options.device)
    found = subject(options)
    if found.policy is None:
        numbers = weight_numbers(options.weights, found.agent.num_objectives)
        preference = preference_weights.validate(numbers, found.agent.num_objectives)
    else:
        preference = found.fixed_preference("--weights" if options.weights else None)
    if options.no_render and (options.out is not None or options.fps is not None):
        raise MorlError("expected --no-render or a film (--out, --fps), got both")
    out = None
    if not options.no_render:
        out = free_name(options.path / "play.gif") if options.out is None else options.out
    front = play(
        found.agent,
        found.env,
        weights=preference,
        out=out,
        episodes=options.episodes,
        seed=options.seed,
        fps=options.fps,
        max_steps=options.max_steps,
        device=options.device,
        env_kwargs=found.env_kwargs,
        threads=options.threads,
    )
    print_returns(found.signed(front))
    if out is not None:
        say(f"film: {out}")


def print_returns(front: Front) -> None:
    """One row per objective: its unit, and what the episodes earned, discounted and not."""
    assert front.episode_lengths is not None and front.episode_returns_undiscounted is not None
    table = make_table("objective", "unit", "weight", "return", f"discounted by {front.gamma:g}")
    for i, objective in enumerate(objectives_known(front)):
        columns = (front.episode_returns_undiscounted[0, :, i], front.episode_returns[0, :, i])
        table.add_row(
            literal(objective.name),
            literal(objective.unit),
            "" if front.weights is None else f"{front.weights[0, i]:g}",
            *(_spread(column) for column in columns),
        )
    lengths = front.episode_lengths[0].tolist()
    plural = "s" if len(lengths) > 1 else ""
    steps = " and ".join(str(length) for length in lengths)
    title = f"{front.env_id}: {len(lengths)} episode{plural} of {steps} steps, {front.backend} environment"
    show(title, table, "mean (lowest to highest) of the episodes" if plural else "")


def _spread(values: Any) -> str:
    """`mean (lowest to highest)`, or the one number."""
    if len(values) == 1:
        return f"{values[0]:.4f}"
    return f"{values.mean():.4f} ({values.min():.4f} to {values.max():.4f})"
