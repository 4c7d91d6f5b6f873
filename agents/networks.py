"""Networks as pure functions of ONE flat parameter vector.

`network.init(generator)` makes a vector theta (P,), `network(theta, ...)` evaluates it. Nothing else holds
parameters, so the same loss serves one network, a stacked population (theta (K, P), whose layers are batched products
of matrices), or parameters that a hypernetwork emitted; an optimiser step is a handful of operations on one tensor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from morl.errors import CheckpointError, MorlError

MANY = 2**15
"""Entries from which `tanh` on the CPU takes the way by the sigmoid; of fewer, starting its kernels takes longer."""


class Layout:
    """Names and shapes of the tensors inside a flat parameter vector."""

    def __init__(self, shapes: dict[str, tuple[int, ...]]) -> None:
        self.shapes = shapes
        self.sizes = [math.prod(shape) for shape in shapes.values()]
        self.total = sum(self.sizes)

    def unflatten(self, theta: Tensor) -> dict[str, Tensor]:
        """Views of a vector (P,) by name, or of several (K, P)."""
        parts = theta.split(self.sizes, dim=-1)
        named = zip(self.shapes.items(), parts, strict=True)
        return {name: part.view((*theta.shape[:-1], *shape)) for (name, shape), part in named}

    def mask(self, parts: Sequence[str]) -> Tensor:
        """Which entries (P,) bool belong to the named parts of the network, or to the named tensors."""
        own = [name in parts or name.partition(".")[0] in parts for name in self.shapes]
        return torch.tensor(own).repeat_interleave(torch.tensor(self.sizes))

    def checked(self, theta: Tensor) -> Tensor:
        """`theta`, if it has as many entries as the layout asks for.

        Raises:
            CheckpointError: it was saved by a network of another shape.
        """
        if theta.shape != (self.total,):
            raise CheckpointError(
                f"expected {self.total} parameters, got shape {tuple(theta.shape)}; "
                "the file was saved with other network widths or another environment"
            )
        return theta


@dataclass(frozen=True)
class MLP:
    """A stack of linear layers with an activation between them (none after the last).

    Args:
        sizes: widths of input, hidden layers and output.
        final_gain: gain of the last layer's orthogonal initialisation.
        activation: "relu" or "tanh".
        normalise: scale every hidden layer to mean 0 and variance 1 before its activation (layer normalisation, Ba
            et al. 2016, without gain and bias).
    """

    sizes: tuple[int, ...]
    final_gain: float = 1.0
    activation: str = "relu"
    normalise: bool = False

    def __post_init__(self) -> None:
        if len(self.sizes) < 2 or min(self.sizes) < 1:
            raise MorlError(f"expected at least an input and an output width, all positive, got {self.sizes}")
        if self.activation not in ("relu", "tanh"):
            raise MorlError(f'expected activation "relu" or "tanh", got {self.activation!r}')

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Parameter shapes by name, weights as (out, in)."""
        shapes: dict[str, tuple[int, ...]] = {}
        for index, (inputs, outputs) in enumerate(zip(self.sizes[:-1], self.sizes[1:], strict=True)):
            shapes[f"weight{index}"] = (outputs, inputs)
            shapes[f"bias{index}"] = (outputs,)
        return shapes

    def init(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Orthogonal weights (Saxe et al. 2014), zero biases, drawn on the CPU."""
        parameters = {}
        last = len(self.sizes) - 2
        for name, shape in self.shapes.items():
            if name.startswith("bias"):
                parameters[name] = torch.zeros(shape)
                continue
            hidden_gain = math.sqrt(2.0) if self.activation == "relu" else 5.0 / 3.0
            gain = self.final_gain if name == f"weight{last}" else hidden_gain
            parameters[name] = torch.nn.init.orthogonal_(torch.empty(shape), gain, generator=generator)
        return parameters

    def __call__(self, parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        """Outputs (..., sizes[-1]) for inputs (..., sizes[0]); with parameters of K networks, (K, B, ...) of each."""
        last = len(self.sizes) - 2
        for index in range(last + 1):
            weight, bias = parameters[f"weight{index}"], parameters[f"bias{index}"]
            stacked = weight.dim() == 3
            x = torch.baddbmm(bias.unsqueeze(1), x, weight.mT) if stacked else F.linear(x, weight, bias)
            if index < last:
                x = self.activate(x)
        return x

    def activate(self, x: Tensor) -> Tensor:
        """What a hidden layer does to the outputs (..., width) of its linear part."""
        if self.normalise:
            x = F.layer_norm(x, x.shape[-1:])
        return F.relu(x) if self.activation == "relu" else tanh(x)


class _TanhBySigmoid(torch.autograd.Function):
    """`tanh(x) = 2 sigmoid(2x) - 1`, with the derivative of tanh: that of the sigmoid would take more passes."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return (2 * x).sigmoid_().mul_(2).sub_(1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (output,) = ctx.saved_tensors
        return torch.ops.aten.tanh_backward(gradient, output)


def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent, to 2e-7.

    Torch hands large tensors on the CPU to MKL, whose tanh is three to four times slower than torch's own sigmoid on
    processors that are not Intel's, and took a fifth of the training of a population.
    """
    traced = torch.compiler.is_compiling()  # into a graph for batches of any size
    if x.device.type == "cpu" and not traced and x.numel() >= MANY:
        return _TanhBySigmoid.apply(x)
    return torch.tanh(x)


class Network:
    """Named MLPs that share one flat parameter vector."""

    def __init__(self, **parts: MLP) -> None:
        self.parts = parts
        self.layout = Layout(
            {f"{part}.{name}": shape for part, mlp in parts.items() for name, shape in mlp.shapes.items()}
        )

    def init(self, generator: torch.Generator, device: torch.device | str = "cpu") -> Tensor:
        """A fresh parameter vector (P,)."""
        tensors = [value.reshape(-1) for mlp in self.parts.values() for value in mlp.init(generator).values()]
        return torch.cat(tensors).to(device)

    def apply(self, theta: Tensor) -> dict[str, PartialMLP]:
        """The MLPs with their parameters filled in from theta (P,) or (K, P)."""
        named = self.layout.unflatten(theta)
        return {
            part: PartialMLP(mlp, {name: named[f"{part}.{name}"] for name in mlp.shapes})
            for part, mlp in self.parts.items()
        }


@dataclass(frozen=True)
class PartialMLP:
    """An MLP together with its parameters."""

    mlp: MLP
    parameters: dict[str, Tensor]

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs (..., sizes[-1]) for inputs (..., sizes[0])."""
        return self.mlp(self.parameters, x)


class QNetwork(Network):
    """Vector action values Q(s, a, w), dueling (Wang et al. 2016): a shared value plus centred advantages.

    Tiny gaps between actions, such as one step's fuel beside a whole episode's ore, drown in the error of the
    common value unless that is learned apart. Layers are normalised, which keeps temporal differences from
    diverging (Gallici et al. 2024, "Simplifying Deep Temporal Difference Learning"). `preference_dim` is the length
    of the preference given, m by default; 0 for the values of one preference.
    """

    def __init__(
        self,
        obs_dim: int,
        actions: int,
        objectives: int,
        hidden: Sequence[int],
        *,
        preference_dim: int | None = None,
    ) -> None:
        self.actions, self.objectives = actions, objectives
        self.preference_dim = objectives if preference_dim is None else preference_dim
        width = hidden[-1]
        super().__init__(
            trunk=MLP((obs_dim + self.preference_dim, *hidden), normalise=True),
            value=MLP((width, objectives), final_gain=0.1),
            advantage=MLP((width, actions * objectives), final_gain=0.1),
        )

    def __call__(self, theta: Tensor, obs: Tensor, weights: Tensor) -> Tensor:
        """Q (..., actions, m) for observations (..., obs_dim) and weights (..., m)."""
        part = self.apply(theta)
        inputs = torch.cat((obs, weights), dim=-1) if self.preference_dim else obs
        features = self.parts["trunk"].activate(part["trunk"](inputs))
        value = part["value"](features).unsqueeze(-2)
        advantage = part["advantage"](features).unflatten(-1, (self.actions, self.objectives))
        return value + advantage - advantage.mean(dim=-2, keepdim=True)
