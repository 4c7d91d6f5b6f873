from __future__ import annotations

import os
from functools import partial

import numpy as np
import pytest
import torch
from toys import LENGTH, ContinuousCorridor, Corridor, CorridorWalker, PlainCorridor

import morl
from morl.envs.originals import make_original
from morl.errors import EnvError, MorlError
from morl.evaluation import default_weights
from morl.playing import COPIES, Stage

WEIGHTS = np.array([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]])


@pytest.fixture
def agent() -> CorridorWalker:
    return CorridorWalker(Corridor(4), seed=3)


def exact(weights: np.ndarray, gamma: float) -> np.ndarray:
    """Returns (k, 2) of the walker without slips: g walking steps, then the one that stops."""
    goal = np.floor(weights[:, 0] * LENGTH)
    time = -np.array([sum(gamma**t for t in range(int(g) + 1)) for g in goal])
    return np.stack([gamma**goal * goal, time], 1)


@pytest.mark.parametrize("gamma", [1.0, 0.9])
@pytest.mark.parametrize("env", [Corridor, PlainCorridor, "toys:Corridor", "toys:PlainCorridor"])
def test_returns_are_those_of_the_first_episode(agent: CorridorWalker, env, gamma: float) -> None:
    front = morl.evaluate(agent, env, weights=WEIGHTS, episodes=3, gamma=gamma, backend="auto")
    np.testing.assert_allclose(front.returns, exact(WEIGHTS, gamma), rtol=1e-6)
    assert front.episode_returns_undiscounted is not None and front.episode_lengths is not None
    np.testing.assert_allclose(front.episode_returns_undiscounted.mean(1), exact(WEIGHTS, 1.0))
    assert front.episode_lengths.tolist() == [[1] * 3, [5] * 3, [9] * 3]
    assert front.commanded_utility() == pytest.approx((exact(WEIGHTS, gamma) * WEIGHTS).sum(1).mean())


def test_provenance(agent: CorridorWalker) -> None:
    agent.steps, agent.seconds = 1000, 2.5
    front = morl.evaluate(agent, PlainCorridor, weights=WEIGHTS, episodes=2, seed=9, role="selection")
    assert (front.agent, front.training_seed, front.training_steps) == ("corridor-walker", 3, 1000)
    assert (front.training_seconds, front.gamma, front.role) == (2.5, 0.99, "selection")
    assert (front.backend, front.evaluation_seed, front.episodes) == ("original", 9, 2)
    assert front.env_id == "toys:PlainCorridor" and front.objectives == ("objective_1", "objective_2")
    assert front.weights is not None and np.array_equal(front.weights, WEIGHTS)
    assert morl.evaluate(agent, Corridor, weights=WEIGHTS, backend="batched").backend == "batched"


def test_a_card_gives_names_and_reference_point() -> None:
    def factory(preferences: torch.Tensor):
        class Down:
            def reset(self, mask=None): ...
            def act(self, obs):
                return torch.ones(len(obs), dtype=torch.int64)

            def observe(self, reward, done): ...

        return Down()

    front = morl.evaluate(factory, "deep-sea-treasure-v0", weights=[0.5, 0.5], episodes=1)
    assert front.objectives == ("treasure", "time")
    assert front.reference_point is not None and front.reference_point.tolist() == [0, -50]
    np.testing.assert_allclose(front.returns, [[0.7, -1.0]], rtol=1e-6)
    with pytest.raises(MorlError, match="how many objectives"):
        morl.evaluate(factory, "deep-sea-treasure-v0")


def test_seeds(agent: CorridorWalker) -> None:
    def returns(seed: int, **options):
        return morl.evaluate(agent, weights=WEIGHTS, env_kwargs={"slip": 0.4}, seed=seed, **options)

    for env in (Corridor, PlainCorridor):
        first, again, other = (returns(seed, env=env, backend="auto") for seed in (1, 1, 2))
        assert np.array_equal(first.episode_returns, again.episode_returns)
        assert not np.array_equal(first.episode_returns, other.episode_returns)
    assert first.episode_seeds is not None and len(set(first.episode_seeds.ravel().tolist())) == 60
    # The recorded seed of one episode replays it alone.
    env, (point, episode) = PlainCorridor(slip=0.4), (2, 3)
    obs, _ = env.reset(seed=int(first.episode_seeds[point, episode]))
    steps, stopped = 0, False
    while not stopped:
        action = agent.act(torch.as_tensor(obs)[None], torch.as_tensor(WEIGHTS[point]))
        obs, _, terminated, truncated, _ = env.step(int(action))
        steps, stopped = steps + 1, terminated or truncated
    assert first.episode_lengths is not None and steps == first.episode_lengths[point, episode]


def test_training_is_not_touched(agent: CorridorWalker) -> None:
    state, generator = agent.env.get_state(), agent.generator.get_state()
    global_state = torch.get_rng_state()
    morl.evaluate(agent, Corridor, weights=WEIGHTS, backend="batched")
    assert torch.equal(state["streams"], agent.env.get_state()["streams"])
    assert torch.equal(generator, agent.generator.get_state())
    assert torch.equal(global_state, torch.get_rng_state())
    with pytest.raises(MorlError, match="agent's own"):
        morl.evaluate(agent, agent.env, weights=WEIGHTS)


def test_an_instance_serves_one_episode_after_the_other(agent: CorridorWalker) -> None:
    env = PlainCorridor()
    front = morl.evaluate(agent, env, weights=WEIGHTS, episodes=2)
    np.testing.assert_allclose(front.returns, exact(WEIGHTS, 0.99), rtol=1e-6)
    assert front.backend == "original"


@pytest.mark.parametrize("rows", [2, 4, 6, 7])
@pytest.mark.parametrize("env", [Corridor, PlainCorridor])
def test_a_vector_environment_is_used_as_it_is(agent: CorridorWalker, rows: int, env) -> None:
    vec = morl.make_vec(env, num_envs=rows)
    front = morl.evaluate(agent, vec, weights=WEIGHTS, episodes=2)
    np.testing.assert_allclose(front.returns, exact(WEIGHTS, 0.99), rtol=1e-6)
    vec.reset(seed=0)  # still open


def test_finished_rows_of_an_original_cost_nothing(agent: CorridorWalker) -> None:
    made = []

    def make() -> PlainCorridor:
        made.append(PlainCorridor())
        return made[-1]

    morl.evaluate(agent, make, weights=WEIGHTS, episodes=1)
    assert [env.steps_taken for env in made] == [1, 5, 9]


def test_memory_is_told_what_happened(agent: CorridorWalker) -> None:
    seen = []

    class Remembering:
        def __init__(self, preferences):
            self.inner = agent.policy(preferences)

        def reset(self, mask=None):
            seen.append("reset")

        def act(self, obs):
            return self.inner.act(obs)

        def observe(self, reward, done):
            seen.append((tuple(reward.shape), done.tolist()))

    morl.evaluate(Remembering, Corridor, weights=[0.25, 0.75], episodes=1, backend="auto")
    assert seen == ["reset", ((1, 2), [False]), ((1, 2), [False]), ((1, 2), [True])]


def test_as_many_episodes_as_it_takes(agent: CorridorWalker) -> None:
    def front(env, **options):
        return morl.evaluate(agent, env, weights=WEIGHTS, backend="auto", **options)

    for env in (Corridor, PlainCorridor):
        # Three points are asked for 20 episodes in all before they pass for certain.
        assert (front(env).episodes, front(env, episodes=5).episodes) == (7, 5)
        some = front(env, env_kwargs={"slip": 0.4})
        assert some.episodes == 20 and some.deterministic is None
    # Two first, and then the others, are those that are played all at once.
    assert np.array_equal(
        some.episode_returns, front(PlainCorridor, episodes=20, env_kwargs={"slip": 0.4}).episode_returns
    )
    three = front(morl.make_vec(Corridor, num_envs=3, slip=0.4))  # one vector, in turns
    assert three.episodes == 20 and len(np.unique(three.episode_seeds)) > 1


def test_a_card_saves_the_second_episode() -> None:
    class Down(CorridorWalker):
        def act(self, obs, weights):
            return torch.ones(len(obs), dtype=torch.int64)

    class Guess(Down):
        deterministic = False

        def act(self, obs, weights):
            return torch.randint(4, (len(obs),), generator=self.generator)

    def front(kind, env="deep-sea-treasure-v0", **options):
        agent = kind(morl.make_vec("deep-sea-treasure-v0"))
        return morl.evaluate(agent, env, weights=WEIGHTS, **options)

    once = front(Down)
    assert (once.episodes, once.deterministic, once.standard_errors.max()) == (1, True, 0.0)
    assert front(Down, episodes=3).episodes == 3
    assert front(Down, env_kwargs={"max_episode_steps": 50}).episodes == 7
    assert front(Down, partial(make_original, "deep-sea-treasure-v0")).episodes == 7
    guessed = front(Guess)
    assert (guessed.episodes, guessed.deterministic) == (20, False)


def test_few_copies_and_the_same_numbers_in_other_processes(
    agent: CorridorWalker, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def make() -> PlainCorridor:
        made.append(PlainCorridor(slip=0.3))
        return made[-1]

    options = {"weights": default_weights(2), "episodes": 2}
    here = morl.evaluate(agent, make, **options)
    assert len(made) <= COPIES < 2 * len(here)
    monkeypatch.setattr("morl.playing.PATIENCE", 0.0)
    monkeypatch.setattr("morl.playing.cores", lambda: 2)
    with Stage(make, device="cpu") as stage:
        there = morl.evaluate(agent, stage, **options)
        assert stage.set_for(1).backend == "async"
    assert here == there

    def stays() -> PlainCorridor:
        if os.getpid() != parent:
            raise RuntimeError("no licence for a second process")
        return PlainCorridor(slip=0.3)

    parent = os.getpid()
    assert np.array_equal(morl.evaluate(agent, stays, **options).episode_returns, here.episode_returns)


def test_limits(agent: CorridorWalker, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = morl.evaluate(agent, Corridor, weights=[1.0, 0.0], backend="auto", gamma=1.0, max_steps=4)
    assert cut.returns.tolist() == [[0.0, -4.0]]
    monkeypatch.setattr("morl.playing.LONGEST_EPISODE", 50)
    endless = {"slip": 1.0, "max_episode_steps": None}
    with pytest.raises(EnvError, match="20 did not; give it a time limit"):
        morl.evaluate(agent, Corridor, weights=[1.0, 0.0], backend="auto", env_kwargs=endless)


def test_bad_input(agent: CorridorWalker) -> None:
    with pytest.raises(MorlError, match="weights sum to 2"):
        morl.evaluate(agent, PlainCorridor, weights=[1, 1])
    with pytest.raises(MorlError, match="expected weights for 2 objectives"):
        morl.evaluate(agent, PlainCorridor, weights=[0.2, 0.3, 0.5])
    with pytest.raises(MorlError, match="episodes"):
        morl.evaluate(agent, PlainCorridor, weights=WEIGHTS, episodes=0)
    with pytest.raises(MorlError, match="expected an environment with 2 objectives"):
        morl.evaluate(agent, "minecart-v0", weights=WEIGHTS)
    with pytest.raises(MorlError, match="with the observation space"):
        morl.evaluate(agent, "deep-sea-treasure-v0", weights=WEIGHTS, backend="batched")
    with pytest.raises(MorlError, match="with the action space"):
        morl.evaluate(agent, ContinuousCorridor, weights=WEIGHTS)
    with pytest.raises(EnvError, match="deep-sea-treasure"):
        morl.evaluate(agent, "deep-sea-tresure-v0", weights=WEIGHTS)
    with pytest.raises(MorlError, match="max_steps"):
        morl.evaluate(agent, Corridor, weights=WEIGHTS, backend="auto", max_steps=0)


def test_default_weights() -> None:
    assert [len(default_weights(m)) for m in (1, 2, 3, 4)] == [1, 101, 105, 120]
    assert len(default_weights(3, more_than=10)) == 15
