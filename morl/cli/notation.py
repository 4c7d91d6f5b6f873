"""How values are written on the command line beyond tyro's own ways."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from morl.errors import MorlError

NOTATION = ConstructorRegistry()
"""How values are written beyond tyro's own ways: 2e6 for a whole number, NAME=VALUE for dictionaries."""


@NOTATION.primitive_rule
def _whole_numbers(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[int] | None:
    if info.type is not int:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="INT",
        instance_from_str=lambda words: whole_number(words[0]),
        is_instance=lambda value: isinstance(value, int),
        str_from_instance=lambda value: [str(value)],
    )


@NOTATION.primitive_rule
def _dictionaries(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[dict[str, Any]] | None:
    if dict not in (info.type, info.type_origin):
        return None
    return PrimitiveConstructorSpec(
        nargs="*",
        metavar="NAME=VALUE",
        instance_from_str=keyword_arguments,
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda values: [f"{name}={json.dumps(value)}" for name, value in values.items()],
    )


def whole_number(text: str) -> int:
    """`2000000`, `2_000_000` or `2e6`; a ValueError for anything that is not whole."""
    try:
        return int(text)
    except ValueError:
        number = float(text)
    if not number.is_integer():
        raise ValueError(f"expected a whole number, got {text}")
    return int(number)


class Pace(NamedTuple):
    """How often something is done: every so many seconds, or every so many steps."""

    seconds: float | None
    steps: int | None


PACE = re.compile(r"([\d._]+(?:e[+-]?\d+)?)\s*(s|min|h|steps?|)", re.IGNORECASE)
SECONDS = {"": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0}


def pace(text: str) -> Pace:
    """`30s`, `5min`, `1h`, `30.0` (seconds), `50000steps` or `5e4 steps`.

    Raises:
        MorlError: anything else, or less than one step.
    """
    found = PACE.fullmatch(text.strip())
    with suppress(ValueError):
        if found is not None and found[2].lower() in SECONDS:
            return Pace(float(found[1]) * SECONDS[found[2].lower()], None)
        if found is not None and (steps := whole_number(found[1])) >= 1:
            return Pace(None, steps)
    raise MorlError(f"expected a time such as 30s or 5min, or steps such as 50000steps; got {text!r}")


def weight_numbers(words: Sequence[str], m: int) -> list[float]:
    """The numbers of one preference of m objectives, from `0.3 0.7` or `0.3,0.7`; not yet validated."""
    example = " ".join(f"{1 / m:.2g}" for _ in range(m))
    if not words:
        raise MorlError(f"expected --weights with {m} numbers, one per objective; for example {example}")
    try:
        return [float(number) for word in words for number in word.split(",") if number]
    except ValueError:
        raise MorlError(f"expected --weights as numbers, such as {example}; got {' '.join(words)}") from None


def reference_points(words: Sequence[str]) -> Any:
    """The point of `0 -25` or `0,-25`; of `ENV=0,-25` words, points by environment; None of no words.

    Raises:
        MorlError: what is written is neither.
    """
    if not words:
        return None
    if any("=" in word for word in words):
        points = by_environment(words, "reference point", "R1,R2")
        return {env: _vector([text]) for env, text in points.items()}
    return _vector(words)


def by_environment(words: Sequence[str], what: str, value: str) -> Any:
    """The one word, or a dictionary of `ENV=VALUE` words; None of no words. An environment's name may hold a `=`."""
    if not words:
        return None
    if len(words) == 1 and ("=" not in words[0] or Path(words[0]).exists()):
        return words[0]
    pairs = [word.rpartition("=") for word in words]
    if not all(env and text for env, _, text in pairs):
        raise MorlError(f"expected one {what}, or ENV={value} for each environment, got {' '.join(words)}")
    return {env: text for env, _, text in pairs}


def _vector(words: Sequence[str]) -> list[float]:
    try:
        return [float(number) for word in words for number in word.split(",") if number]
    except ValueError:
        raise MorlError(
            f"expected a reference point as numbers, such as 0 -25, or by environment, my:Env=0,-25; got "
            f"{' '.join(words)}"
        ) from None


def keyword_arguments(pairs: Sequence[str]) -> dict[str, Any]:
    """`("size=3", "map=small")` as `{"size": 3, "map": "small"}`."""
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.isidentifier():
            raise MorlError(f"expected NAME=VALUE, got {pair!r}; for example size=3")
        values[name] = _value(text, name)
    return values


def keyword_words(kwargs: dict[str, Any]) -> list[str]:
    """`{"size": 3, "map": "small"}` as words that `keyword_arguments` reads: `["size=3", 'map="small"']`."""
    return [f"{name}={json.dumps(value)}" for name, value in kwargs.items()]


def _value(text: str, name: str) -> Any:
    """What a value means as JSON (`true`, `[1, 2]`), else as Python writes it (`True`, `(1, 2)`), else as text."""
    with suppress(ValueError, RecursionError):
        return json.loads(text, parse_float=_number)
    try:
        return json.loads(json.dumps(ast.literal_eval(text)))  # with lists for tuples, as a run keeps them
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        if text[:1] in ("[", "{", "("):
            raise MorlError(
                f"expected {name} as JSON or as Python writes it, got {text}, which is neither ({error}); for "
                f"example {name}='[1, 2.5, true, \"text\"]'"
            ) from None
    return text


def _number(text: str) -> int | float:
    """`1e3` as the whole number that it is, `1.0` and `1e-3` as they are."""
    number = float(text)
    return int(number) if "." not in text and number.is_integer() else number
