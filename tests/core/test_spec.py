from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Sequence, Space, Text, Tuple
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from toys import Corridor, PlainCorridor

import morl
from morl.errors import CheckpointError, EnvError
from morl.space_files import space_from_dict, space_to_dict
from morl.spec import EnvSpec, declared_objectives

SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, max_side=3)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """Boxes of every number type, also unbounded ones."""
    dtype = np.dtype(draw(st.sampled_from(["float32", "float64", "int8", "int32", "int64", "uint8"])))
    shape = draw(SHAPES)
    if dtype.kind == "f" or draw(st.booleans()):
        elements = {"allow_nan": False} if dtype.kind == "f" else {}
        low, high = (draw(hnp.arrays(dtype, shape, elements=elements)) for _ in range(2))
    else:
        limits = np.iinfo(dtype)
        low, high = np.full(shape, limits.min, dtype), np.full(shape, limits.max, dtype)
    return Box(np.minimum(low, high), np.maximum(low, high), shape=shape, dtype=dtype.type)


def through_json(space: Space) -> object:
    return space_from_dict(json.loads(json.dumps(space_to_dict(space), allow_nan=False)))


@given(space=boxes())
def test_boxes_go_through_json(space: Box) -> None:
    restored = through_json(space)
    assert restored == space and restored.dtype == space.dtype


@given(n=st.integers(1, 2**40), start=st.integers(-(2**40), 2**40))
def test_discrete_spaces_go_through_json(n: int, start: int) -> None:
    assert through_json(Discrete(n, start=start)) == Discrete(n, start=start)


@pytest.mark.parametrize(
    "space",
    [
        Discrete(3, start=1, dtype=np.uint8),
        MultiDiscrete([[2, 3], [4, 2]], start=[[0, 1], [-1, 5]]),
        MultiDiscrete([2, 3], dtype=np.int32),
        MultiBinary((2, 3)),
        MultiBinary(4),
        Text(5, min_length=2, charset="abc"),
        Box(0, 255, (4, 4, 3), np.uint8),
        Box(0, 1, (2,), bool),
        Dict({"z": Box(0, 1, ()), "a": Tuple((Discrete(2), Dict({"x": MultiBinary(1)})))}),
        Dict([("z", Discrete(2)), ("a", Discrete(3))]),
    ],
    ids=str,
)
def test_compound_spaces_go_through_json(space: Space) -> None:
    restored = through_json(space)
    assert restored == space and restored.dtype == space.dtype  # type: ignore[attr-defined]
    assert not isinstance(space, Dict) or list(restored) == list(space)  # type: ignore[call-overload]


def test_other_spaces_are_refused() -> None:
    for space in (Sequence(Discrete(2)), Dict({"a": Sequence(Discrete(2))})):
        with pytest.raises(EnvError, match="flatten"):
            space_to_dict(space)
    damaged = (
        {"type": "Graph"},
        {"type": "Box"},
        {"type": "Discrete", "n": 0, "start": 0},
        [],
        {"type": ["Box"]},
    )
    for data in (
        *damaged,
        {"type": "Dict", "spaces": [3]},
        {"type": "MultiDiscrete", "nvec": "x", "start": 0},
    ):
        with pytest.raises(CheckpointError, match="save it again"):
            space_from_dict(data)  # type: ignore[arg-type]


def test_of_an_environment() -> None:
    env = Corridor(3)
    spec = EnvSpec.of(env)
    assert (spec.env_id, spec.num_envs, spec.num_objectives) == ("toys:Corridor", 3, 2)
    assert spec.device == torch.device("cpu") and spec.single_action_space == Discrete(2)
    assert EnvSpec.of(spec) is spec
    restored = EnvSpec.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert restored == replace(spec)


@pytest.mark.parametrize(
    "names",
    [
        ["gain", "gain"],
        ["gain", ""],
        ["gain", "  "],
        ["gain"],
        ["gain", "time", "rest"],
        ["gain", 2],
        ("a", None),
    ],
)
def test_names_of_objectives_are_looked_at_before_anything_is_learned(names: Any) -> None:
    class Misnamed(PlainCorridor):
        objectives = names

    class Batched(Corridor):
        objectives = names

    for backend in ("sync", "async"):
        with pytest.raises(EnvError, match="2 different names"):
            morl.make_vec(Misnamed, num_envs=2, backend=backend)
    with pytest.raises(EnvError, match="2 different names"):
        EnvSpec.of(Batched(4))
    for kind in (Misnamed, Batched):
        report = morl.envs.check_env(kind, steps=4)
        assert not report.ok and any("2 different names" in finding.detail for finding in report.findings)


@pytest.mark.parametrize("value", [[], [3, 4], {"gain": 1}, "ab", 7, None])
def test_an_attribute_of_that_name_may_mean_something_else(value: Any) -> None:
    assert declared_objectives(value, 2) is None
    assert [o.name for o in declared_objectives(np.array(["gain", "time"]), 2) or ()] == ["gain", "time"]


def test_an_adapter_gives_the_same_spec_as_its_twin() -> None:
    batched, looped = (EnvSpec.of(morl.make_vec(kind, num_envs=2)) for kind in (Corridor, PlainCorridor))
    assert replace(looped, env_id=batched.env_id) == batched


@pytest.mark.parametrize("wrong", [PlainCorridor(), "minecart-v0", None])
def test_what_is_no_tensor_environment_is_refused(wrong: object) -> None:
    with pytest.raises(EnvError, match=r"made by morl.make_vec, got"):
        EnvSpec.of(wrong)


def test_a_reward_space_that_is_no_box_is_refused() -> None:
    data = EnvSpec.of(Corridor(1)).to_dict()
    data["reward_space"] = space_to_dict(Discrete(2))
    with pytest.raises(CheckpointError, match="reward space"):
        EnvSpec.from_dict(data)
