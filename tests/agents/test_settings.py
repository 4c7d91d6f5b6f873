from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from toys import Corridor

from morl.agents.settings import check_positive, check_types, check_unit, flat_observations
from morl.errors import MorlError
from morl.spec import EnvSpec


@dataclass(frozen=True, kw_only=True)
class Config:
    """One setting of every kind."""

    steps: int = 3
    lr: float = 0.1
    mode: Literal["late", "early"] = "late"
    hidden: tuple[int, ...] = (4, 4)
    gamma: float | None = None
    scaled: bool = True


@pytest.mark.parametrize("good", [{}, {"lr": 1}, {"mode": "early"}, {"hidden": (1,)}, {"gamma": 0.9}])
def test_right_types_pass(good: dict[str, Any]) -> None:
    check_types(Config(**good))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": 3.0}, r"expected steps to be a whole number \(int\), got 3.0"),
        ({"steps": True}, "expected steps to be a whole number"),
        ({"steps": None}, "expected steps to be a whole number"),
        ({"lr": "0.1"}, "expected lr to be a number, got '0.1'"),
        ({"lr": None}, "expected lr to be a number"),
        ({"mode": "lat"}, r"expected mode in \('late', 'early'\), got 'lat'. Did you mean 'late'\?"),
        ({"hidden": ()}, r"expected hidden to be layer widths, such as \(128, 128\), got \(\)"),
        ({"hidden": (4, 0)}, "layer widths"),
        ({"hidden": (4.0,)}, "layer widths"),
    ],
)
def test_wrong_types_are_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(MorlError, match=message):
        check_types(Config(**wrong))


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_positive_numbers(value: float) -> None:
    check_positive(Config(), "steps", "lr")
    with pytest.raises(MorlError, match=f"expected lr > 0, got {value}"):
        check_positive(Config(lr=value), "steps", "lr")
    if value == 0:
        check_positive(Config(lr=value), "lr", zero=True)
    else:
        with pytest.raises(MorlError, match="expected lr >= 0"):
            check_positive(Config(lr=value), "lr", zero=True)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_shares(value: float) -> None:
    for good in (0, 0.5, 1):
        check_unit(Config(lr=good), "lr")
    with pytest.raises(MorlError, match="expected lr between 0 and 1"):
        check_unit(Config(lr=value), "lr")


def test_observations_are_vectors() -> None:
    spec = EnvSpec.of(Corridor(2))
    assert flat_observations(spec) == 1
    for space in (Discrete(3), Box(0, 1, (2, 2), np.float32)):
        with pytest.raises(MorlError, match="FlattenObservation"):
            flat_observations(replace(spec, single_observation_space=space))
