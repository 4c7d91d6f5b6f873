"""Utility functions: what a vector of returns is worth to somebody with given preferences.

A utility function is a callable `(returns (..., m), weights (..., m)) -> (...)`, larger is better. Those
here take numpy arrays, torch tensors or lists, and broadcast the leading axes. `as_utility` turns a name or
a user's callable into a checked utility function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NewType, TypeAlias

import numpy as np

from morl import registry
from morl import weights as preference_weights
from morl._arrays import Array, as_count, as_vector, check_finite, to_float64
from morl.errors import MorlError

UtilityFunction: TypeAlias = Callable[[Any, Any], Any]
"""`(returns (..., m), weights (..., m)) -> (...)`, for numpy arrays and torch tensors alike."""

ChebyshevScales = NewType("ChebyshevScales", np.ndarray)
"""Validated Chebyshev scales: non-negative, not all zero in a row, of any sum. Not preference weights."""


def linear(returns: Any, weights: Any) -> Any:
    """Return the weighted sum of the objectives, `sum_i w_i r_i`.

    >>> float(linear([10.0, -4.0], [0.75, 0.25]))
    6.5
    """
    returns, weights = _aligned(returns, weights)
    return (returns * weights).sum(-1)


class Chebyshev:
    """The weighted Chebyshev utility `-max_i w_i (z_i - r_i)`: how near the worst objective is to the ideal.

    The reference z is the best return seen per objective plus the margin `tau`; `update` raises it as better
    returns appear (Van Moffaert et al. 2013). Unlike a linear utility it reaches the concave parts of a
    front. Its `weights` are scales (see `chebyshev_scales`); preference weights are valid scales.

    A reference given as a floating-point tensor stays a tensor on its device, and neither calls with tensors
    nor `update` then synchronise: pass it so in training loops. Otherwise it is kept in float64 numpy.

    Args:
        reference: the best returns known, shape (m,), finite.
        tau: margin, non-negative, in the units of the returns.

    >>> utility = Chebyshev([10.0, 0.0])
    >>> float(utility([8.0, -1.0], [0.5, 0.5]))
    -1.0
    """

    def __init__(self, reference: Any, *, tau: float = 0.0) -> None:
        best = as_vector(reference, name="reference")
        floating = _is_tensor(reference) and reference.is_floating_point()
        self._best: Any = reference.detach().clone() if floating else best
        self.tau = _non_negative(tau, "tau")

    @property
    def reference(self) -> Any:
        """The reference point z = best + tau, shape (m,), a tensor or numpy as the utility was built."""
        return self._best + self.tau

    @property
    def num_objectives(self) -> int:
        """How many objectives the reference has."""
        return int(self._best.shape[0])

    def __call__(self, returns: Any, weights: Any) -> Any:
        """Return the utility, shape (...), of returns (..., m) under scales `weights` (..., m)."""
        returns, weights = _aligned(returns, weights)
        return -_largest(weights * self._gaps(returns))

    def update(self, returns: Any) -> None:
        """Raise the best seen by returns of shape (..., m), in place.

        Numpy returns must be finite. Tensors are not checked, which would synchronise the device.
        """
        if _is_tensor(self._best):
            import torch

            values = torch.as_tensor(returns, dtype=self._best.dtype, device=self._best.device).detach()
            self._check_width(values)
            flat = torch.cat([self._best[None], values.reshape(-1, self.num_objectives)])
            self._best = flat.amax(0)
            return
        array = to_float64(returns, "returns")
        self._check_width(array)
        check_finite(array, "returns")
        self._best = np.vstack([self._best, array.reshape(-1, self.num_objectives)]).max(axis=0)

    def state_dict(self) -> dict[str, Any]:
        """Return the state as a plain dictionary of numbers, ready for JSON."""
        return {"best": to_float64(self._best, "reference").tolist(), "tau": self.tau}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned; the kind and device of the reference stay as they are."""
        if set(state) != set(self.state_dict()):
            raise MorlError(f"expected a state with keys {sorted(self.state_dict())}, got {sorted(state)}")
        best = as_vector(state["best"], name="best", m=self.num_objectives)
        self.tau = _non_negative(state["tau"], "tau")
        self._best = _like(best, self._best)

    def validate_weights(self, weights: Any, m: int | None = None) -> Array:
        """Validate what this utility takes as `weights`: Chebyshev scales, of shape (m,) or (n, m)."""
        return chebyshev_scales(weights, self.num_objectives if m is None else m)

    def _gaps(self, returns: Any) -> Any:
        self._check_width(returns)
        return _like(self.reference, returns) - returns

    def _check_width(self, returns: Any) -> None:
        if returns.ndim == 0 or returns.shape[-1] != self.num_objectives:
            raise MorlError(
                f"expected returns of shape (..., {self.num_objectives}), as the reference point has "
                f"{self.num_objectives} objectives, got shape {tuple(returns.shape)}"
            )

    def __repr__(self) -> str:
        """Class name, reference and margin."""
        reference = to_float64(self.reference, "reference").tolist()
        return f"{type(self).__name__}(reference={reference}, tau={self.tau})"


class AugmentedChebyshev(Chebyshev):
    """The augmented Chebyshev utility `-max_i w_i (z_i - r_i) - rho * sum_i (z_i - r_i)`.

    From Steuer and Choo (1983). The sum breaks the ties of the plain form, so that an optimal return is
    never dominated.

    Args:
        reference: the best returns known, shape (m,), finite.
        rho: the weight of the sum, non-negative and small against the scales; 0 gives the plain form.
        tau: margin, non-negative, in the units of the returns.
    """

    def __init__(self, reference: Any, rho: float = 1e-2, *, tau: float = 0.0) -> None:
        super().__init__(reference, tau=tau)
        self.rho = _non_negative(rho, "rho")

    def __call__(self, returns: Any, weights: Any) -> Any:
        """Return the utility, shape (...), of returns (..., m) under scales `weights` (..., m)."""
        returns, weights = _aligned(returns, weights)
        gaps = self._gaps(returns)
        return -_largest(weights * gaps) - self.rho * gaps.sum(-1)

    def state_dict(self) -> dict[str, Any]:
        """Return the state as a plain dictionary of numbers, ready for JSON."""
        return {**super().state_dict(), "rho": self.rho}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned; the kind and device of the reference stay as they are."""
        super().load_state_dict(state)
        self.rho = _non_negative(state["rho"], "rho")


def chebyshev_scales(scales: Any, m: int | None = None) -> ChebyshevScales:
    """Return Chebyshev scales as a new float64 array of the same shape, (m,) or (n, m), once valid.

    Scales are finite and non-negative, at least one per row is positive, and their sum is free.

    Raises:
        MorlError: anything else; the message names the row.
    """
    array = to_float64(scales, "scales")
    if array.ndim not in (1, 2) or array.size == 0:
        raise MorlError(f"expected scales of shape (m,) or (n, m) with n, m >= 1, got shape {array.shape}")
    if m is not None and array.shape[-1] != m:
        raise MorlError(f"expected scales for {m} objectives, got {array.shape[-1]} entries per vector")
    check_finite(array, "scales")
    rows = array.reshape(-1, array.shape[-1])
    invalid = (rows < 0).any(1) | (rows == 0).all(1)
    if invalid.any():
        first = int(np.argmax(invalid))
        name = "scales" if array.ndim == 1 else f"scales[{first}]"
        raise MorlError(f"expected {name} non-negative with a positive entry, got {rows[first].tolist()}")
    return ChebyshevScales(array)


def as_utility(utility: str | UtilityFunction, *, m: int = 2) -> UtilityFunction:
    """Return a checked utility function from a name, a "module:function" path or a callable.

    The function is called once on a small numpy sample, so that a wrong shape is found before any training.

    Args:
        utility: "linear", "package.module:function", or a callable `(returns, weights) -> utilities`.
        m: number of objectives of the sample.

    Raises:
        MorlError: no such name, module or function, not callable, or a result of the wrong shape.

    >>> as_utility("linear") is linear
    True
    """
    m = as_count(m, name="m")
    function = _resolve(utility) if isinstance(utility, str) else utility
    if not callable(function):
        raise MorlError(f"expected a utility function, 'linear' or 'module:function', got {utility!r}")
    if isinstance(function, type):
        raise MorlError(f"expected a utility function, got the class {function.__name__}: pass an instance")
    # Positive returns, so that utilities with roots and logarithms stay within their domain.
    returns = np.linspace(0.1, 1.0, 6 * m).reshape(2, 3, m)
    weights = np.full((2, 3, m), 1 / m)
    try:
        result = function(returns, weights)
    except MorlError:
        raise
    except Exception as error:
        raise MorlError(
            f"the utility function {_name(function)} failed on numpy arrays of shape (2, 3, {m}): "
            f"{type(error).__name__}: {error}"
        ) from error
    shape = tuple(getattr(result, "shape", np.shape(result)))
    if shape != (2, 3):
        raise MorlError(
            f"the utility function {_name(function)} must map returns (2, 3, {m}) and weights (2, 3, {m}) "
            f"to (2, 3), got shape {shape}: reduce the last axis only, as in (returns * weights).sum(-1)"
        )
    return function


def validate_weights(utility: UtilityFunction, weights: Any, m: int) -> Array:
    """Validate `weights` by the utility's own `validate_weights` if it has one, else as preferences."""
    own: Callable[[Any, int], Array] = getattr(utility, "validate_weights", preference_weights.validate)
    return own(weights, m)


def _resolve(name: str) -> Any:
    """The object behind "linear" or "module:function"."""
    if name == "linear":
        return linear
    module_name, colon, attribute = name.partition(":")
    if not (colon and module_name and attribute):
        raise MorlError(
            f"unknown utility {name!r}: expected 'linear' or 'module:function'; a Chebyshev utility needs a "
            "reference point: pass morl.utility.Chebyshev(reference)"
        )
    return registry.resolve(name)


def _name(function: Any) -> str:
    return repr(getattr(function, "__qualname__", function))


def _non_negative(value: float, name: str) -> float:
    number = float(value)
    if not (np.isfinite(number) and number >= 0):
        raise MorlError(f"expected {name} finite and non-negative, got {value!r}")
    return number


def _is_tensor(values: Any) -> bool:
    return hasattr(values, "detach")


def _like(values: Any, example: Any) -> Any:
    """`values` as the same kind of array as `example`: a tensor of its type on its device, or numpy."""
    if _is_tensor(example):
        import torch

        return torch.as_tensor(values, dtype=example.dtype, device=example.device)
    return to_float64(values, "values") if _is_tensor(values) else np.asarray(values)


def _aligned(returns: Any, weights: Any) -> tuple[Any, Any]:
    """Both as tensors if either is one, else both as numpy; checked for the same number of objectives."""
    if _is_tensor(returns):
        weights = weights if _is_tensor(weights) else _like(weights, returns)
    else:
        returns, weights = _like(returns, weights), weights if _is_tensor(weights) else np.asarray(weights)
    if returns.ndim == 0 or weights.ndim == 0 or returns.shape[-1] != weights.shape[-1]:
        raise MorlError(
            "expected returns (..., m) and weights (..., m) with the same number of objectives m, got shapes "
            f"{tuple(returns.shape)} and {tuple(weights.shape)}"
        )
    return returns, weights


def _largest(values: Any) -> Any:
    """The maximum over the last axis; torch calls it `amax` (its `max` also returns indices)."""
    return values.amax(-1) if _is_tensor(values) else values.max(-1)
