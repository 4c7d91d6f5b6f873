"""`make_vec`: any environment behind one tensor interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import gymnasium
import numpy as np
import torch
from gymnasium.envs.registration import VectorizeMode, load_env_creator
from gymnasium.vector import VectorEnv

from morl import registry
from morl._arrays import as_count
from morl.envs.adapters import Adapter, AsyncAdapter, SyncAdapter
from morl.envs.base import BatchedEnv
from morl.envs.envpool_backend import EnvPoolAdapter, physics_of
from morl.envs.identity import of_call, of_id, of_product
from morl.envs.info_terms import InfoTerms, parse_id
from morl.envs.originals import check_known, has_original, make_original
from morl.envs.vector_adapter import VectorAdapter
from morl.envs.view import gymnasium_id
from morl.envs.wrapper import TensorWrapper
from morl.errors import EnvError
from morl.problem import Identity, called, parameters, path_of

BACKENDS = ("auto", "batched", "original", "sync", "async", "envpool")

TensorEnv: TypeAlias = BatchedEnv | Adapter | TensorWrapper


def make_vec(
    env: Any,
    num_envs: int = 1,
    *,
    device: torch.device | str = "cpu",
    backend: str = "auto",
    compile: bool = False,
    step_timeout: float | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> TensorEnv:
    """A vector environment with torch tensors on `device` and reward vectors (num_envs, m).

    Args:
        env: an id ("minecart-v0", any of MO-Gymnasium's or Gymnasium's), an id with terms of `info` as
            objectives ("Hopper-v5[reward_forward,reward_ctrl]"), a path "module:Class", a class, a factory,
            an instance of `gymnasium.Env` (serves `num_envs=1`) or of `gymnasium.vector.VectorEnv`
            (keeps its own number of environments and its own device).
        num_envs: how many copies.
        device: where the tensors live.
        backend: "auto" takes the batched twin if there is one, else a loop over the environment; "batched"
            is the twin; "original" and "sync" are a loop over the environment itself (of what is only batched,
            "original" is that); "async" is one in each
            of as many processes as there are cores; "envpool" is EnvPool's physics with the environment's
            rewards (MuJoCo, version 5).
        compile: run a batched environment's step through `torch.compile`; the others have nothing to compile.
        step_timeout: seconds that one call of an environment in a process ("async") may take, whether step,
            reset, constructor or close; 0 for no limit. By default that of the run around, else 60. Only a process
            can be ended: the other backends wait.
        env_kwargs: arguments of the environment as a mapping, for those whose names are taken here (`device`, say).
        kwargs: arguments of the environment, under the names of the batched twin where there is one;
            `max_episode_steps` of any environment.

    Returns:
        The environment; `env_id` and `backend` say what it is. Observations are one Box, discrete actions
        count from zero, finished episodes restart in the same step and `info["final_obs"]` holds the
        observations before that.

    Raises:
        EnvError: the environment or backend is unknown, has no reward vector or an unsupported space, or
            one instance was asked to serve several copies.
    """
    if backend not in BACKENDS:
        hint = registry.suggest(str(backend), BACKENDS)
        raise EnvError(f"expected one of the backends {', '.join(BACKENDS)}, got {backend!r}.{hint}")
    num_envs = as_count(num_envs, name="num_envs", error=EnvError)
    # Gymnasium's own checks take Python's numbers only.
    if not isinstance(env_kwargs, Mapping | None):
        raise EnvError(f"expected env_kwargs to be a mapping from names to values, got {env_kwargs!r}")
    given = {**(env_kwargs or {}), **kwargs}
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in given.items()}
    order = _Order(num_envs, device, backend, compile, step_timeout, plain)
    if isinstance(env, VectorEnv):
        return _from_vector(env, order)
    if isinstance(env, gymnasium.Env):
        return _from_instance(env, order)
    if isinstance(env, str):
        env = parse_id(env) or env
    env_id = gymnasium_id(env) if isinstance(env, str) else None
    return _from_kind(env, order) if env_id is None else _from_id(env_id, order)


@dataclass(frozen=True, kw_only=True)
class Outline:
    """What is known of an environment before it is made."""

    batched: bool
    """Whether all copies are stepped as one tensor program."""
    max_episode_steps: int | None
    """The time limit; None where there is none, or none that is known."""


def outline(env: Any, *, backend: str = "auto", env_kwargs: Mapping[str, Any] | None = None) -> Outline:
    """What `make_vec` with these arguments will make, as far as that is known without making it.

    Raises:
        EnvError: the environment is unknown.
    """
    kwargs = dict(env_kwargs or {})
    if isinstance(env, str):
        env = parse_id(env) or env
    if isinstance(env, InfoTerms):  # the terms of a twin's info are not known: the original is what runs
        inner = outline(env.env, backend="original", env_kwargs={**env.kwargs, **kwargs})
        return replace(inner, batched=False)
    env_id = gymnasium_id(env) if isinstance(env, str) else None
    if env_id is None:
        kind = registry.resolve(env) if isinstance(env, str) else env
        limit = kwargs.get("max_episode_steps")
        batched = _is_batched(kind) or (isinstance(kind, type) and issubclass(kind, TensorWrapper))
        return Outline(batched=batched, max_episode_steps=limit)
    check_known(env_id)
    batched = backend in ("auto", "batched") and _batched_twin(env_id) is not None
    specs = (gymnasium.registry.get(name) for name in (registry.NAMESPACE + env_id, env_id))
    limits = [spec.max_episode_steps for spec in specs if spec is not None]
    return Outline(
        batched=batched, max_episode_steps=kwargs.get("max_episode_steps", limits[0] if limits else None)
    )


@dataclass(frozen=True)
class _Order:
    """What `make_vec` was asked for, the environment apart."""

    num_envs: int
    device: torch.device | str
    backend: str
    compile: bool
    step_timeout: float | None
    kwargs: dict[str, Any]
    identity: Identity | None = None
    """Which problem that is, where the order tells."""

    @property
    def takes_batched(self) -> bool:
        return self.backend in ("auto", "batched")


def _from_id(env_id: str, order: _Order) -> TensorEnv:
    check_known(env_id)
    only_batched = order.backend == "original" and not has_original(env_id)
    twin = _batched_twin(env_id) if order.takes_batched or only_batched else None
    identity = of_id(env_id, order.kwargs, batched=twin is not None)
    order = replace(order, identity=identity)
    if twin is not None:
        return _make_batched(twin, env_id, order)
    if order.backend == "envpool":
        made = EnvPoolAdapter(env_id, order.num_envs, device=order.device, **order.kwargs)
        made.known_identity = identity
        return made
    if order.backend == "batched":
        raise EnvError(
            f"expected a batched twin of {env_id}, found none; use backend='auto', 'sync' or 'async'"
        )
    return _from_factory(partial(make_original, env_id, **order.kwargs), env_id, order)


def _from_kind(env: Any, order: _Order) -> TensorEnv:
    """From a path, a class or a factory."""
    kind = registry.resolve(env) if isinstance(env, str) else env
    if not callable(kind):
        raise EnvError(
            "expected an environment id, module:Class, class, factory or instance, "
            f"got a {type(kind).__name__}: {env!r}"
        )
    while isinstance(kind, partial) and isinstance(kind.func, type) and not kind.args:
        order = replace(order, kwargs={**kind.keywords, **order.kwargs})
        kind = kind.func
    env_id = _name(env, kind)
    order = replace(order, identity=_identity(kind, order.kwargs, named=isinstance(env, str)))
    if _is_batched(kind):
        if not order.takes_batched and order.backend != "original":
            raise EnvError(f"expected backend 'auto' for {env_id}, which is batched, got {order.backend!r}")
        return _make_batched(kind, env_id or path_of(kind), order)
    if isinstance(kind, type) and issubclass(kind, TensorWrapper):
        options = {"device": order.device, "backend": order.backend, "compile": order.compile}
        wrapped: TensorWrapper = _explained(kind, env_id, order.kwargs, num_envs=order.num_envs, **options)
        wrapped.env_id, wrapped.known_identity = env_id or path_of(kind), order.identity
        return wrapped
    if order.backend == "batched":
        raise EnvError(f"expected a subclass of morl.envs.BatchedEnv for backend 'batched', got {env!r}")
    if order.backend == "envpool":
        physics_of(env_id or repr(env))  # says that it takes ids, and which
    if isinstance(kind, InfoTerms) and kind.vector_class is not None:
        kind = kind.make_vector
    elif not (isinstance(kind, type) and issubclass(kind, VectorEnv)):
        made = _from_factory(partial(_limited, kind, env_id, order.kwargs), env_id, order)
        if order.identity is None:
            made.known_identity = of_product(made.identity, partial(kind, **order.kwargs))
        return made
    vector = _explained(kind, env_id, order.kwargs, num_envs=order.num_envs)
    return VectorAdapter(vector, env_id=env_id, identity=order.identity, device=order.device)


def _identity(kind: Any, kwargs: dict[str, Any], *, named: bool) -> Identity | None:
    """Which problem `kind(**kwargs)` is; None where the order does not tell.

    Where the id is the path of `kind` (`named`), the order tells even of a function.
    """
    told = of_call(kind, kwargs)
    return Identity(called(kind, (), kwargs)) if told is None and named else told


def _name(env: Any, kind: Any) -> str | None:
    """What to call what `kind` makes: the text it was given as, a class's path, or the factory's own `env_id`.

    None where what is made names itself.
    """
    if isinstance(kind, partial):
        return _name(env, kind.func)
    if getattr(kind, "names_itself", False):
        return None
    if isinstance(env, str):
        return env
    if isinstance(kind, type):
        return path_of(kind)
    named = getattr(kind, "env_id", None)
    return named if isinstance(named, str) else None


def _is_batched(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BatchedEnv)


def _batched_twin(env_id: str) -> Callable[..., Any] | None:
    """What makes the batched environment registered for `env_id`; None where there is none."""
    for name in (registry.NAMESPACE + env_id, env_id):
        spec = gymnasium.registry.get(name)
        if spec is None:
            continue
        entry = spec.vector_entry_point
        if _is_batched(load_env_creator(entry) if isinstance(entry, str) else entry):
            return partial(gymnasium.make_vec, spec, vectorization_mode=VectorizeMode.VECTOR_ENTRY_POINT)
    return None


def _make_batched(kind: Callable[..., Any], env_id: str, order: _Order) -> BatchedEnv:
    made: BatchedEnv = _explained(
        kind, env_id, order.kwargs, num_envs=order.num_envs, device=order.device, compile=order.compile
    )
    made.env_id, made.known_identity = env_id, order.identity
    return made


def _explained(kind: Callable[..., Any], env_id: str | None, kwargs: dict[str, Any], **ours: Any) -> Any:
    """`kind(**kwargs, **ours)`, with an error that names the environment where it does not take one of them."""
    try:
        return kind(**kwargs, **ours)
    except TypeError as error:
        if "argument" not in str(error):
            raise
        raise EnvError(f"expected arguments that {env_id or kind} takes: {error}") from error


def _limited(kind: Callable[..., Any], env_id: str | None, kwargs: dict[str, Any]) -> Any:
    """As `_explained`; a time limit among the arguments goes around an environment that takes none itself."""
    if "max_episode_steps" not in kwargs or "max_episode_steps" in parameters(kind):
        return _explained(kind, env_id, kwargs)
    kwargs = dict(kwargs)
    limit = kwargs.pop("max_episode_steps")
    made = _explained(kind, env_id, kwargs)
    if limit is None or not isinstance(made, gymnasium.Env):
        return made
    return gymnasium.wrappers.TimeLimit(made, as_count(limit, name="max_episode_steps"))


def _from_factory(factory: Callable[[], Any], env_id: str | None, order: _Order) -> Adapter:
    factories = [factory] * order.num_envs
    if order.backend == "async":
        return AsyncAdapter(
            factories,
            env_id=env_id,
            identity=order.identity,
            device=order.device,
            step_timeout=order.step_timeout,
        )
    made = SyncAdapter(factories, env_id=env_id, identity=order.identity, device=order.device)
    if order.backend == "original":
        made.backend = order.backend
    return made


def _from_instance(env: gymnasium.Env, order: _Order) -> Adapter:
    if order.num_envs != 1:
        raise EnvError(
            f"expected num_envs=1 for an instance, got {order.num_envs}: one environment cannot play "
            "several episodes at once; pass a factory, such as make_vec(lambda: MyEnv(), num_envs=...)"
        )
    if order.backend in ("batched", "async", "envpool"):
        raise EnvError(
            f"expected backend 'auto' or 'sync' for an environment instance, got {order.backend!r}"
        )
    _refuse_arguments(order)
    return _from_factory(lambda: env, None, order)


def _from_vector(env: VectorEnv, order: _Order) -> TensorEnv:
    if order.num_envs not in (1, env.num_envs):
        raise EnvError(
            f"expected num_envs={env.num_envs}, as the instance has, got {order.num_envs}; leave it out"
        )
    _refuse_arguments(order)
    made = _tensor_env(env, order)
    if order.backend not in ("auto", made.backend):
        raise EnvError(f"expected backend 'auto' for an instance of {made.backend}, got {order.backend!r}")
    return made


def _tensor_env(env: VectorEnv, order: _Order) -> TensorEnv:
    """`env` itself where it has the tensor interface, else an adapter to it."""
    if isinstance(env, (BatchedEnv, Adapter, TensorWrapper)):
        return env
    return VectorAdapter(env, device=order.device)


def _refuse_arguments(order: _Order) -> None:
    if order.kwargs:
        raise EnvError(f"expected no arguments for an existing environment, got {sorted(order.kwargs)}")
