"""Named reward terms in `info` as objectives: a vector reward without code.

    env = morl.make_vec(morl.envs.from_info_terms("HalfCheetah-v5", ["reward_forward", "reward_ctrl"]), num_envs=8)
    env = morl.make_vec("HalfCheetah-v5[reward_forward,reward_ctrl]", num_envs=8)      # the same, as an id

A term is written `[NAME=][-]KEY`: what the objective is called, whether its sign is flipped (a cost that is to
be kept small), and its key in `info`. A `/` reaches into nested dictionaries. `reward` is the environment's own
reward, unless `info` has such a key.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from morl import registry
from morl.envs.originals import make_original
from morl.envs.returned import STEPPED, returned
from morl.envs.rewards import unbounded
from morl.envs.view import gymnasium_id, name_of
from morl.errors import EnvError
from morl.registry import Objective

REWARD = "reward"
"""The term that stands for the environment's own reward."""

WITH_TERMS = re.compile(r"(?P<env>[^\[\]]+)\[(?P<terms>[^\[\]]*)\]")
TERM = re.compile(r"(?:(?P<name>[^=]+)=)?\s*(?P<sign>[+-]?)\s*(?P<key>[^=+\s-][^=]*)")


@dataclass(frozen=True)
class Term:
    """One objective: `sign` times what `info` holds under `key`."""

    key: str
    name: str
    sign: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """The term that `[NAME=][-]KEY` describes.

        Raises:
            EnvError: it is written differently.
        """
        match = TERM.fullmatch(text.strip()) if isinstance(text, str) else None
        if match is None:
            raise EnvError(
                f"expected a reward term as [NAME=][-]KEY, got {text!r}; for example reward_forward, "
                "-energy or speed=reward_forward"
            )
        key = match["key"].strip()
        return cls(key, (match["name"] or key).strip(), -1.0 if match["sign"] == "-" else 1.0)

    def __str__(self) -> str:
        name = "" if self.name == self.key else f"{self.name}="
        return f"{name}{'-' if self.sign < 0 else ''}{self.key}"

    @property
    def objective(self) -> Objective:
        """What a card would say of it."""
        return Objective(self.name, "", f"{'minus ' * (self.sign < 0)}info[{self.key!r}]", cost=self.sign < 0)


def from_info_terms(
    env: Any,
    terms: Sequence[str],
    *,
    names: Sequence[str] | None = None,
    signs: Sequence[float] | None = None,
    default: float | None = None,
    **kwargs: Any,
) -> Any:
    """An environment whose objectives are terms of its `info` (module docstring).

    Args:
        env: an id, `module:Class`, a class, a factory, or an instance of `gymnasium.Env` or
            `gymnasium.vector.VectorEnv`.
        terms: one `[NAME=][-]KEY` for each objective.
        names: of the objectives; by default those of the terms.
        signs: 1 or -1 for each objective; by default those of the terms.
        default: what a step pays that lacks a term; by default such a step is an error.
        kwargs: arguments of the environment.

    Returns:
        For an instance, the environment with vector rewards. Otherwise a factory of such environments, which
        `morl.make_vec` takes and processes can be sent.

    Raises:
        EnvError: terms, names and signs do not fit each other; for an instance of `gymnasium.Env` also that a
            step lacks a term or that a term is not a number.
    """
    read = [Term.parse(term) for term in ([terms] if isinstance(terms, str) else terms)]
    chosen_names = [term.name for term in read] if names is None else list(names)
    chosen_signs = [term.sign for term in read] if signs is None else [float(sign) for sign in signs]
    if not read or not len(read) == len(chosen_names) == len(chosen_signs):
        raise EnvError(
            f"expected one name and one sign for each of at least one term, got {len(read)} terms, "
            f"{len(chosen_names)} names, {len(chosen_signs)} signs"
        )
    if len(set(chosen_names)) < len(read) or not {abs(sign) for sign in chosen_signs} <= {1.0}:
        raise EnvError(
            f"expected different names, and signs that are 1 or -1, got {chosen_names} and {chosen_signs}; "
            "morl.envs.wrappers.ScaleReward scales objectives"
        )
    wanted = tuple(Term(term.key, n, s) for term, n, s in zip(read, chosen_names, chosen_signs, strict=True))
    if isinstance(env, (gymnasium.Env, VectorEnv)) and kwargs:
        raise EnvError(f"expected no arguments for an existing environment, got {sorted(kwargs)}")
    if isinstance(env, gymnasium.Env):
        return InfoTermsEnv(env, wanted, default=default)
    if isinstance(env, VectorEnv):
        from morl.envs.info_terms_vector import InfoTermsVector

        return InfoTermsVector(env, wanted, default=default)
    return InfoTerms(env, wanted, default, kwargs)


def parse_id(env_id: str) -> InfoTerms | None:
    """The factory that `ENV[TERM,...]` stands for; None where `env_id` is no such id."""
    match = WITH_TERMS.fullmatch(env_id)
    if match is None:
        return None
    made: InfoTerms = from_info_terms(match["env"], match["terms"].split(","))
    return made


@dataclass(frozen=True)
class InfoTerms:
    """A factory of environments with `terms` as objectives; picklable where `env` is."""

    env: Any
    terms: tuple[Term, ...]
    default: float | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)

    @property
    def env_id(self) -> str | None:
        """`ENV[TERM,...]` where `env` is text; what is made from anything else names itself."""
        return full_id(registry.canonical_id(self.env), self.terms) if isinstance(self.env, str) else None

    @property
    def kind(self) -> Any:
        """A registered id, or what makes an environment."""
        if not isinstance(self.env, str):
            return self.env
        env_id = gymnasium_id(self.env)
        return registry.resolve(self.env) if env_id is None else env_id

    @property
    def vector_class(self) -> Callable[..., VectorEnv] | None:
        """The class of vector environments that `env` is or names, if it is one."""
        kind = self.kind
        return kind if isinstance(kind, type) and issubclass(kind, VectorEnv) else None

    def __call__(self, **kwargs: Any) -> InfoTermsEnv:
        """A new environment; `kwargs` beside those that were given before."""
        arguments = {**self.kwargs, **kwargs}
        kind = self.kind
        made = make_original(kind, **arguments) if isinstance(kind, str) else kind(**arguments)
        if not isinstance(made, gymnasium.Env):
            raise EnvError(f"expected {self.env} to make a gymnasium.Env, got {type(made).__name__}")
        return InfoTermsEnv(made, self.terms, default=self.default, env_id=self.env_id)

    def make_vector(self, num_envs: int, **kwargs: Any) -> VectorEnv:
        """A new vector environment, where `env` is a class of those."""
        from morl.envs.info_terms_vector import InfoTermsVector

        kind = self.vector_class
        assert kind is not None, "asked for where there is one"
        made = kind(num_envs=num_envs, **{**self.kwargs, **kwargs})
        return InfoTermsVector(made, self.terms, default=self.default, env_id=self.env_id)


def full_id(env_id: str, terms: Sequence[Term]) -> str:
    """`ENV[TERM,...]`."""
    return f"{env_id}[{','.join(str(term) for term in terms)}]"


class InfoTermsEnv(gymnasium.Wrapper):
    """One environment that pays terms of its `info`. It is stepped once here, to see that they are there.

    Raises:
        EnvError: that step lacks a term (its message lists what was found), or a term is not a number.
    """

    def __init__(
        self,
        env: gymnasium.Env,
        terms: tuple[Term, ...],
        *,
        default: float | None = None,
        env_id: str | None = None,
    ) -> None:
        super().__init__(env)
        self.terms, self.default = terms, default
        self.env_id = env_id or full_id(name_of(env), terms)
        self.objectives = tuple(term.objective for term in terms)
        self.reward_space = unbounded(len(terms))
        env.reset()
        sampler = copy.deepcopy(env.action_space)
        sampler.seed(0)
        self.step(sampler.sample())

    def step(self, action: Any) -> tuple[Any, NDArray[np.float64], bool, bool, dict[str, Any]]:
        """One step; the reward (m,) is read from `info`, which stays as it is."""
        obs, reward, terminated, truncated, info = returned(self.env.step(action), STEPPED, self.env_id)
        if not isinstance(info, dict):
            raise EnvError(
                f"expected the info of {self.env_id} to be a dictionary with its terms, got {info!r}"
            )
        vector = np.array([term.sign * self._read(term, reward, info) for term in self.terms])
        return obs, vector, terminated, truncated, info

    def _read(self, term: Term, reward: Any, info: dict[str, Any]) -> float:
        found = find(info, term.key)
        value = reward if found is None and term.key == REWARD else None if found is None else found[0]
        if value is None and self.default is not None:
            return self.default
        if value is None:
            raise missing(self.env_id, term, available(info))
        array = np.asarray(value)
        if array.size != 1 or array.dtype.kind not in "fiub":
            raise EnvError(
                f"expected a number in info[{term.key!r}] of {self.env_id}, got {value!r}; "
                f"choose among: {', '.join(available(info))}"
            )
        return float(array.reshape(()))


def find(info: dict[str, Any], key: str) -> tuple[Any, Any] | None:
    """What `info` holds under `key`, and the mask beside it (`_key`, in vector environments); else None."""
    if key in info:
        return info[key], info.get("_" + key)
    outer, slash, rest = key.partition("/")
    if slash and isinstance(info.get(outer), dict):
        return find(info[outer], rest)
    return None


def missing(env_id: str, term: Term, found: Sequence[str]) -> EnvError:
    """The error for a step that lacks a term."""
    hint = registry.suggest(term.key, found)
    return EnvError(
        f"expected the reward term {term.key!r} in info of {env_id}, found {', '.join(found)}.{hint} "
        "Take one of these; where only some steps pay it, from_info_terms(..., default=0.0)"
    )


def available(info: dict[str, Any], prefix: str = "", size: int = 1) -> list[str]:
    """The keys of `info` that hold numbers (`size` of them), nested ones with `/`, and `reward`."""
    return [*dict.fromkeys([*_numbers(info, prefix, size), REWARD])]


def _numbers(info: dict[str, Any], prefix: str, size: int) -> Iterator[str]:
    for key, value in info.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{key}/", size)
        elif not (isinstance(key, str) and key.startswith("_") and key[1:] in info):
            shape = getattr(value, "shape", ())
            kind = str(getattr(value, "dtype", type(value).__name__)).removeprefix("torch.")
            if np.prod(shape, dtype=int) == size and kind.startswith(("float", "int", "uint", "bool")):
                yield f"{prefix}{key}"
