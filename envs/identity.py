"""Which problem an environment is (`morl.problem.Identity`): told from how it was asked for, or from an instance.

What is made from an id or a class is known by the arguments that were given. A factory or an instance is looked into:
its registration, the wrappers around it, and the attributes that are called as its constructor's parameters are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec, load_env_creator
from gymnasium.utils import EzPickle
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorEnv

from morl import registry
from morl.envs.originals import in_twin_terms
from morl.problem import (
    LIMIT,
    UNKNOWN,
    Identity,
    beside,
    by_name,
    called,
    canonical,
    canonical_arguments,
    defaults_of,
    harmless_to,
    parameters,
    path_of,
)

HARMLESS_WRAPPERS = {
    *(
        "PassiveEnvChecker",
        "OrderEnforcing",
        "Autoreset",
        "RecordEpisodeStatistics",
        "MORecordEpisodeStatistics",
    ),
    *("RecordVideo", "RenderCollection", "HumanRendering", "InfoTermsEnv", "InfoTermsVector", "ScaleReward"),
    *("FlattenObservation", "DtypeObservation", "RescaleObservation", "ReshapeObservation"),
    *("NormalizeObservation", "AgentView"),
}
"""Wrappers, ours and the field's, that leave rewards, limits and actions as they are, and show all that they see.

Terms of `info` and scaled rewards are not harmless, but part of the id.
"""


def of_id(env_id: str, given: Mapping[str, Any], *, batched: bool = False) -> Identity:
    """Of what is registered as `env_id`, or of its `batched` twin, made with the arguments `given`."""
    arguments = canonical_arguments(in_twin_terms(env_id, given))
    if not batched and LIMIT in arguments:  # None means the registered limit, -1 none
        limit = arguments.pop(LIMIT)
        arguments |= {} if limit is None else {LIMIT: None if limit == -1 else limit}
    for name in (registry.NAMESPACE + env_id, env_id):
        spec = gymnasium.registry.get(name)
        for entry in () if spec is None or not arguments else (spec.vector_entry_point, spec.entry_point):
            if spec is not None and entry is not None:
                arguments = beside(arguments, _registered(env_id, spec, entry))
    return Identity(arguments)


def of_call(kind: Any, kwargs: Mapping[str, Any]) -> Identity | None:
    """Of what `kind(**kwargs)` makes, if `kind` is a class, a partial of one, or terms of its info; else None."""
    args: tuple[Any, ...] = ()
    missing: tuple[str, ...] = ()
    while not isinstance(kind, type):
        if isinstance(kind, partial):
            kind, args, kwargs = kind.func, kind.args + args, {**kind.keywords, **kwargs}
        elif hasattr(kind, "terms") and hasattr(kind, "kind"):  # InfoTerms
            missing = _default(kind)
            kind, kwargs = kind.kind, {**kind.kwargs, **kwargs}
            if isinstance(kind, str):
                return of_id(kind, kwargs)._replace(wrappers=missing)
        else:
            return None
    return Identity(called(kind, args, kwargs), missing)


def of_instance(env: Any) -> Identity:
    """Of an environment that exists."""
    layers = list(_layers(env))
    inner = layers.pop()
    known: Identity | None = getattr(inner, "known_identity", None)
    arguments = dict(_arguments_of(inner) if known is None else known.env_kwargs)
    wrappers = [] if known is None else list(known.wrappers)
    expected = _expected_wrappers(inner)
    for layer in reversed(layers):
        kind = type(layer)
        if _is_theirs(layer) and kind.__name__ == "TimeLimit":
            limit = layer._max_episode_steps
            arguments[LIMIT] = min(limit, arguments.get(LIMIT) or limit)
        elif _is_harmless(layer):
            wrappers += _default(layer)
        elif kind.__name__ in expected:
            expected.remove(kind.__name__)
        else:
            told = ", ".join(f"{name}={value}" for name, value in _arguments_of(layer).items())
            wrappers.append(f"{_wrapper_name(layer)}({told})")
    if isinstance(inner, AsyncVectorEnv) and inner.spec is None:
        arguments, wrappers = {}, [f"made by {name_of_factory(inner.env_fns[0])}", *wrappers]
    registered = _registration(inner)
    if registered is not None:
        arguments = beside(arguments, {LIMIT: registered.max_episode_steps})
    return Identity(arguments, tuple(wrappers))


def of_product(product: Identity, factory: partial[Any]) -> Identity:
    """Of what `factory` makes; where that does not tell its arguments, the factory tells it apart from others'."""
    if UNKNOWN not in product.env_kwargs.values():
        return product
    return product._replace(wrappers=(*product.wrappers, f"made by {name_of_factory(factory)}"))


def name_of_factory(factory: Callable[..., Any]) -> str:
    """A factory in a name: its path, with a digest of what is not said by that."""
    if isinstance(factory, partial) and not (factory.args or factory.keywords):
        factory = factory.func
    described = canonical(factory)
    return described if isinstance(described, str) else json.dumps(described, sort_keys=True)


def declared(env: Any, name: str, identity: Identity) -> Any:
    """What an environment says of its problem by an attribute; None where it does not, or a wrapper changes that.

    What a class says holds for its defaults, what an instance, a property or a method says for any arguments. A
    wrapper that changes the problem may say it anew.
    """
    for layer in _layers(env):
        said = vars(layer).get(name, getattr(type(layer), name, None))
        if said is not None:
            fixed = name not in vars(layer) and not callable(said) and not isinstance(said, property)
            return None if fixed and identity.env_kwargs else getattr(layer, name)
        if _changes(layer, identity):
            return None
    return None


def _changes(layer: Any, identity: Identity) -> bool:
    """Whether a wrapper is among what makes a problem another than that of its id."""
    if type(layer).__name__ == "TimeLimit":
        return LIMIT in identity.env_kwargs
    return any(text.startswith(f"{_wrapper_name(layer)}(") for text in identity.wrappers)


def _wrapper_name(wrapper: Any) -> str:
    return type(wrapper).__name__ if _is_theirs(wrapper) else path_of(type(wrapper))


def _is_theirs(wrapper: Any) -> bool:
    """Whether a wrapper is of the field's packages, or ours."""
    return type(wrapper).__module__.partition(".")[0] in ("gymnasium", "mo_gymnasium", "morl")


def _is_harmless(wrapper: Any) -> bool:
    copies = isinstance(wrapper, SyncVectorEnv)  # of the environment within
    return copies or (_is_theirs(wrapper) and type(wrapper).__name__ in HARMLESS_WRAPPERS)


def _layers(env: Any) -> Iterator[Any]:
    """An environment and all that it wraps, from the outside in."""
    while True:
        yield env
        inner = getattr(env, "env", None)
        if inner is None and isinstance(env, SyncVectorEnv):
            inner = env.envs[0]
        known = getattr(env, "known_identity", None)
        if known is not None or not isinstance(inner, (gymnasium.Env, VectorEnv)):
            return
        env = inner


def _arguments_of(made: Any) -> dict[str, Any]:
    """The constructor's arguments of an environment or a wrapper, beside the defaults, as far as it tells them."""
    kind = type(made)
    spec = None if isinstance(made, gymnasium.Wrapper) else getattr(made, "spec", None)
    if spec is not None:
        batched = isinstance(made, VectorEnv)
        return of_id(registry.canonical_id(spec.id), spec.kwargs, batched=batched).env_kwargs
    if hasattr(made, "given"):  # ours remember
        return _beside_defaults(kind, by_name(kind, *made.given))
    saved = getattr(made, "_saved_kwargs", {})  # RecordConstructorArgs of Gymnasium
    pickled: Any = made._ezpickle_kwargs if isinstance(made, EzPickle) else {}
    names = [name for name in parameters(kind) if name not in harmless_to(kind)]
    told = {}
    for name in names:
        places = (saved, pickled, vars(made), {name: vars(made).get(f"_{name}", UNKNOWN)})
        told[name] = next(place[name] for place in places if name in place)
    return _beside_defaults(kind, told)


def _beside_defaults(kind: Any, told: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments beside the defaults, without the environment that a wrapper is around."""
    kept = {name: value for name, value in told.items() if not isinstance(value, (gymnasium.Env, VectorEnv))}
    return beside(canonical_arguments(kept, harmless_to(kind)), defaults_of(kind))


def _registered(env_id: str, spec: Any, entry: Any) -> dict[str, Any]:
    """The default arguments of a registered environment, as `canonical` values under the names of its twin."""
    try:
        kind = load_env_creator(entry) if isinstance(entry, str) else entry
    except (ImportError, gymnasium.error.Error):  # what it needs is not installed, so nobody made it
        return {}
    told = canonical_arguments(in_twin_terms(env_id, spec.kwargs))
    limit = {} if spec.max_episode_steps is None else {LIMIT: spec.max_episode_steps}
    return defaults_of(kind) | told | limit


def _expected_wrappers(env: Any) -> list[str]:
    """Names of the wrappers that an environment is registered with."""
    registered = _registration(env)
    return [] if registered is None else [wrapper.name for wrapper in registered.additional_wrappers]


def _registration(env: Any) -> EnvSpec | None:
    """What Gymnasium's registry holds under an environment's id."""
    spec = getattr(env, "spec", None)
    return None if spec is None else gymnasium.registry.get(spec.id)


def _default(terms: Any) -> tuple[str, ...]:
    """What terms of `info` pay where a step lacks them, if that is said."""
    default = getattr(terms, "default", None)
    return () if default is None else (f"InfoTerms(default={canonical(default)})",)
