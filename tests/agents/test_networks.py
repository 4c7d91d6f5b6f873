from __future__ import annotations

import pytest
import torch
from torch import nn

from morl.agents.distributions import Categorical
from morl.agents.networks import MANY, MLP, Layout, Network, QNetwork, tanh
from morl.agents.ppo import ActorCritic
from morl.errors import CheckpointError, MorlError

OBS, ACTIONS, M, B = 4, 3, 2, 10


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def inputs(*lead: int, seed: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(*lead, OBS, generator=generator(seed)), torch.rand(*lead, M, generator=generator(seed))


def test_the_layout_covers_the_vector_once_and_in_order() -> None:
    layout = Layout({"a": (2, 3), "b": (4,), "c": ()})
    theta = torch.arange(11.0)
    named = layout.unflatten(theta)
    assert layout.total == 11 and {name: tuple(x.shape) for name, x in named.items()} == layout.shapes
    assert torch.equal(torch.cat([part.reshape(-1) for part in named.values()]), theta)
    assert layout.checked(theta) is theta
    for wrong in (torch.zeros(10), torch.zeros(12), torch.zeros(1, 11)):
        with pytest.raises(CheckpointError, match=r"expected 11 parameters, got shape"):
            layout.checked(wrong)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_an_mlp_equals_torch_modules(activation: str) -> None:
    mlp = MLP((OBS, 8, 6, 2), activation=activation)
    parameters = mlp.init(generator())
    function = nn.ReLU if activation == "relu" else nn.Tanh
    modules = nn.Sequential(nn.Linear(OBS, 8), function(), nn.Linear(8, 6), function(), nn.Linear(6, 2))
    modules.load_state_dict(
        {f"{2 * i}.{name}": parameters[f"{name}{i}"] for i in range(3) for name in ("weight", "bias")}
    )
    x = inputs(5, B)[0]
    torch.testing.assert_close(mlp(parameters, x), modules(x))


def test_initial_weights_are_orthogonal_and_repeat() -> None:
    mlp = MLP((6, 6, 6), final_gain=0.1)
    parameters = mlp.init(generator())
    assert all(torch.equal(value, mlp.init(generator())[name]) for name, value in parameters.items())
    for name, gain in (("weight0", 2**0.5), ("weight1", 0.1)):
        weight = parameters[name]
        torch.testing.assert_close(weight @ weight.T, gain**2 * torch.eye(6), atol=1e-5, rtol=1e-4)
    assert not parameters["bias0"].any()
    assert not torch.equal(Network(a=mlp).init(generator(0)), Network(a=mlp).init(generator(1)))


@pytest.mark.parametrize(
    ("sizes", "activation", "message"),
    [
        ((3,), "relu", "at least an input and an output"),
        ((3, 0, 2), "relu", "positive"),
        ((3, 2), "gelu", "gelu"),
    ],
)
def test_wrong_shapes_are_refused(sizes: tuple[int, ...], activation: str, message: str) -> None:
    with pytest.raises(MorlError, match=message):
        MLP(sizes, activation=activation)


def test_parts_use_their_own_parameters() -> None:
    network = Network(a=MLP((2, 3)), b=MLP((2, 3)))
    theta = network.init(generator())
    x = torch.ones(1, 2)
    before = {name: part(x) for name, part in network.apply(theta).items()}
    theta = theta.clone()
    theta[: theta.numel() // 2] += 1
    after = {name: part(x) for name, part in network.apply(theta).items()}
    assert not torch.equal(before["a"], after["a"]) and torch.equal(before["b"], after["b"])


def test_action_values_are_a_value_and_centred_advantages() -> None:
    network = QNetwork(OBS, ACTIONS, M, (16, 8))
    theta = network.init(generator())
    obs, weights = inputs(7, B)
    q = network(theta, obs, weights)
    assert q.shape == (7, B, ACTIONS, M)
    part = network.apply(theta)
    hidden = part["trunk"](torch.cat((obs, weights), dim=-1))
    features = torch.nn.functional.layer_norm(hidden, (8,)).relu()
    torch.testing.assert_close(q.mean(dim=-2), part["value"](features))
    # Adding the same to all advantages of an objective changes nothing.
    shifted = theta.clone()
    named = network.layout.unflatten(shifted)
    named["advantage.bias0"].view(ACTIONS, M).add_(torch.tensor([5.0, -3.0]))
    torch.testing.assert_close(network(shifted, obs, weights), q)
    named["value.bias0"].add_(torch.tensor([5.0, -3.0]))
    torch.testing.assert_close(network(shifted, obs, weights), q + torch.tensor([5.0, -3.0]))


def test_every_parameter_learns_and_the_preference_matters() -> None:
    obs, weights = inputs(200)
    q_network = QNetwork(OBS, ACTIONS, M, (16, 8))
    actor_critic = ActorCritic(OBS, M, Categorical(ACTIONS), (16, 8))
    cases = [
        (q_network, lambda theta: q_network(theta, obs, weights)[:, 0]),
        (
            actor_critic,
            lambda theta: torch.cat(
                (actor_critic.head(theta, obs, weights)[:, :1], actor_critic.value(theta, obs, weights)),
                dim=1,
            ),
        ),
    ]
    for network, outputs in cases:
        theta = network.init(generator()).requires_grad_()
        gradient = torch.autograd.grad(outputs(theta).square().sum(), theta)[0]
        for name, part in network.layout.unflatten(gradient).items():
            assert part.any(), f"no gradient reaches {name}"
    theta = q_network.init(generator())
    assert not torch.allclose(q_network(theta, obs, weights), q_network(theta, obs, weights.flip(1)))


def test_policy_and_critic_share_nothing() -> None:
    network = ActorCritic(OBS, M, Categorical(ACTIONS), (16,))
    theta = network.init(generator()).requires_grad_()
    obs, weights = inputs(B)
    head, value = network.head(theta, obs, weights), network.value(theta, obs, weights)
    assert head.shape == (B, ACTIONS) and value.shape == (B, M)
    assert (head.softmax(-1) - 1 / ACTIONS).abs().max() < 0.05, "it begins near the uniform policy"
    gradients = [torch.autograd.grad(output.sum(), theta)[0] != 0 for output in (head, value)]
    assert not (gradients[0] & gradients[1]).any()


def test_a_stacked_population_equals_its_members() -> None:
    network = QNetwork(OBS, ACTIONS, M, (16, 8))
    thetas = torch.stack([network.init(generator(seed)) for seed in range(3)])
    obs, weights = inputs(3, B)
    together = torch.vmap(network)(thetas, obs, weights)
    for k in range(3):
        torch.testing.assert_close(together[k], network(thetas[k], obs[k], weights[k]))


@pytest.mark.parametrize("rows", [1, MANY // 64, MANY // 16], ids=["few", "just many", "many"])
def test_tanh_and_its_slope_are_those_of_torch(rows: int) -> None:
    x = (4 * torch.randn(rows, 64, generator=generator())).requires_grad_()
    slope = torch.randn(rows, 64, generator=generator(1))
    torch.testing.assert_close(tanh(x), torch.tanh(x), rtol=0, atol=2e-7)
    (ours,), (theirs,) = (torch.autograd.grad(f(x), x, slope) for f in (tanh, torch.tanh))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=2e-6)
    ends = torch.full((MANY,), 200.0)
    assert tanh(ends).eq(1).all() and tanh(-ends).eq(-1).all() and tanh(ends * torch.nan).isnan().all()
    with torch.no_grad():
        assert not tanh(x).requires_grad


def test_tanh_works_under_vmap() -> None:
    x = torch.randn(2, 64, MANY // 64, generator=generator())
    slopes = torch.vmap(torch.func.grad(lambda row: tanh(row).sum()))(x)
    torch.testing.assert_close(slopes, 1 - torch.tanh(x) ** 2, rtol=1e-5, atol=1e-6)
