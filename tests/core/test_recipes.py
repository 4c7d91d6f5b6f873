"""Trainings that were measured, by name."""

from __future__ import annotations

import pytest

import morl
from morl import recipes, registry
from morl.agent import restore_tuples
from morl.errors import EnvError, MorlError


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_can_be_trained(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The agent takes the environments and the settings; the name says which they are."""
    # Any weights will do, and evenly spread ones take a second each time.
    monkeypatch.setattr(morl.weights, "_energy", lambda m, n, seed: morl.weights.dirichlet(m, n, rng=seed))
    config = recipes.load(name)
    assert config.seed == 0 and config.complete().settings.keys() >= config.settings.keys()
    assert name.startswith(f"{config.env.rpartition('-v')[0]}-{config.agent}")
    assert registry.get_card(config.env) is not None
    try:
        env = morl.make_vec(config.env, num_envs=config.num_envs, backend="auto")
    except EnvError:
        pytest.skip("needs an extra")
    agent = registry.agent_class(config.agent)(env, seed=0, **restore_tuples(config.settings))
    assert agent.num_objectives == env.num_objectives
    env.close()


def test_every_load_is_a_copy() -> None:
    recipes.load("minecart-deterministic-morld").settings["ppo"]["entropy_coefficient"] = 9.0
    assert recipes.load("minecart-deterministic-morld").settings["ppo"]["entropy_coefficient"] == 0.05


def test_unknown_names_are_refused() -> None:
    with pytest.raises(MorlError, match="Did you mean 'fruit-tree-morld'"):
        recipes.load("fruit-tre-morld")
