"""`morl play`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.markup import escape

from morl import registry
from morl import weights as preference_weights
from morl._arrays import Array
from morl.cli.evaluate import free_name, subject
from morl.cli.options import Play
from morl.cli.tables import make_table, show
from morl.devices import check_device
from morl.errors import MorlError
from morl.front import Front
from morl.playback import play


def run(options: Play) -> None:
    """Play, print what was earned, write the film."""
    check_device(options.device)
    agent, env, env_kwargs = subject(options)
    preference = parse_weights(options.weights, agent.num_objectives)
    if options.no_render and (options.out is not None or options.fps is not None):
        raise MorlError("expected --no-render or a film (--out, --fps), got both")
    out = None
    if not options.no_render:
        out = free_name(options.path, "play", ".gif") if options.out is None else options.out
    front = play(
        agent,
        env,
        weights=preference,
        out=out,
        episodes=options.episodes,
        seed=options.seed,
        fps=options.fps,
        max_steps=options.max_steps,
        device=options.device,
        env_kwargs=env_kwargs,
    )
    print_returns(front)
    if out is not None:
        print(f"film: {out}")


def parse_weights(words: Sequence[str], m: int) -> Array:
    """One preference (m,) from `0.3 0.7` or `0.3,0.7`."""
    if not words:
        raise MorlError(f"expected --weights with {m} numbers, one per objective; for example {_example(m)}")
    try:
        numbers = [float(number) for word in words for number in word.split(",") if number]
    except ValueError:
        raise MorlError(
            f"expected --weights as numbers, such as {_example(m)}; got {' '.join(words)}"
        ) from None
    return preference_weights.validate(numbers, m)


def _example(m: int) -> str:
    return " ".join(f"{1 / m:.2g}" for _ in range(m))


def print_returns(front: Front) -> None:
    """One row per objective: its unit, and what the episodes earned, discounted and not."""
    assert front.weights is not None and front.episode_lengths is not None
    assert front.episode_returns_undiscounted is not None
    card = registry.get_card(front.env_id)
    units = {} if card is None else {objective.name: objective.unit for objective in card.objectives}
    table = make_table("objective", "unit", "weight", "return", f"discounted by {front.gamma:g}")
    for i, name in enumerate(front.objectives):
        columns = (front.episode_returns_undiscounted[0, :, i], front.episode_returns[0, :, i])
        table.add_row(
            escape(name),
            escape(units.get(name, "")),
            f"{front.weights[0, i]:g}",
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
