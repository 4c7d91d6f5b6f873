"""The examples in the docstrings of the mathematical core run and print what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest

INDICATORS = [
    f"indicators.{name}" for name in ("deviation", "distances", "overlap", "spread", "utilities", "volume")
]
WITH_EXAMPLES = {
    "attainment",
    "diagnosis",
    "front",
    *INDICATORS,
    "pareto",
    "statistics",
    "utility",
    "weights",
}
MODULES = ["_arrays", "front_fields", "front_file", *sorted(WITH_EXAMPLES)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(f"morl.{name}")
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
    assert (result.attempted > 0) == (name in WITH_EXAMPLES)
