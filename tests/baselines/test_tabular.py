from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from mo_gymnasium.wrappers.vector import MOSyncVectorEnv
from tiny import Bandit, Target
from toys import LENGTH, WALK, Corridor, PlainCorridor

import morl
from morl.baselines import MOQLearning, ParetoQLearning
from morl.baselines.tabular import UNKNOWN, Numbering, States, grown, random_best
from morl.baselines.walker import Histories, Ledger, Walker
from morl.errors import CheckpointError, EnvError, MorlError
from morl.spec import EnvSpec

CPU = torch.device("cpu")


def spec(space: Any) -> EnvSpec:
    return replace(EnvSpec.of(Bandit(4)), single_observation_space=space)


def states(space: Any, **options: Any) -> States:
    return States(spec(space), **{"resolution": None, "max_states": 100, **options})


def test_numbers_come_in_the_order_of_meeting() -> None:
    numbering = Numbering(10, "things", CPU)
    assert numbering.find(torch.tensor([3])).tolist() == [UNKNOWN]
    assert numbering.add(torch.tensor([7, 7, 9])).tolist() == [0, 0, 1]
    assert numbering.add(torch.tensor([1, 9, 7])).tolist() == [2, 1, 0]
    assert numbering.find(torch.tensor([9, 8, 1])).tolist() == [1, UNKNOWN, 2] and len(numbering) == 3


def test_observations_are_told_apart() -> None:
    box = states(Box(np.array([-2, 5]), np.array([1, 7]), dtype=np.int32))
    everything = torch.cartesian_prod(torch.arange(-2, 2), torch.arange(5, 8)).to(torch.int32)
    assert sorted(box.seen(everything).tolist()) == list(range(12))
    assert torch.equal(box.find(box.keys_of(everything.float())), box.seen(everything))


def test_real_numbers_are_rounded() -> None:
    grid = states(Box(0, 1, (1,), np.float32), resolution=0.1)
    assert grid.seen(torch.tensor([[0.3], [0.30001], [0.26], [0.4]])).tolist() == [0, 0, 0, 1]


def test_what_lies_outside_is_unknown_and_never_numbered() -> None:
    box = states(Box(0, 3, (1,), np.int32))
    box.seen(torch.tensor([[0], [3]]))
    assert box.find(box.keys_of(torch.tensor([[4], [-1], [3]]))).tolist() == [UNKNOWN, UNKNOWN, 1]
    with pytest.raises(EnvError, match=r"inside their space, got \[4\]"):
        box.seen(torch.tensor([[1], [4]]))


@pytest.mark.parametrize("kind", [MOQLearning, ParetoQLearning])
def test_what_has_no_table_is_refused(kind: Any) -> None:
    with pytest.raises(MorlError, match=r"whole numbers.*minecart-v0.*deep-sea-treasure-v0.*resolution"):
        kind(morl.make_vec("minecart-v0", 4))
    with pytest.raises(MorlError, match=r"combinations.*coarser"):
        kind(spec(Box(0, np.inf, (1,), np.float32)), resolution=0.1)
    with pytest.raises(MorlError, match="combinations"):
        kind(spec(Box(0, 255, (64, 64), np.uint8)))
    with pytest.raises(MorlError, match=r"Discrete actions.*evolution"):
        kind(Target(4), resolution=1.0)
    for wrong in ({"resolution": 0.0}, {"resolution": float("nan")}, {"max_states": 0}, {"epsilon_min": 0.0}):
        with pytest.raises(MorlError, match=next(iter(wrong))):
            kind(morl.make_vec("deep-sea-treasure-v0", 4), **wrong)


def test_too_many_states_are_refused_while_training() -> None:
    agent = ParetoQLearning(morl.make_vec("deep-sea-treasure-v0", 8), max_states=5)
    with pytest.raises(
        MorlError, match=r"at most 5 distinct observations of deep-sea-treasure-v0.*max_states"
    ):
        agent.learn(4000, progress=False)


def test_keys_of_another_space_are_refused() -> None:
    with pytest.raises(CheckpointError, match=r"\[4\] values in each entry, got \[5\]"):
        states(Box(0, 3, (1,), np.int32)).load_state(states(Box(0, 4, (1,), np.int32)).state())


def test_tables_grow_and_keep_what_they_hold() -> None:
    table = torch.arange(6.0).view(3, 2)
    assert grown(table, 3) is table
    larger = grown(table, 4)
    assert larger.shape == (6, 2) and torch.equal(larger[:3], table) and not larger[3:].any()
    assert grown(table, 20).shape == (20, 2)


def test_ties_are_broken_evenly() -> None:
    value = torch.tensor([1.0, 2.0, 2.0]).expand(4000, -1)
    share = torch.bincount(random_best(value, torch.Generator().manual_seed(0)), minlength=3) / 4000
    assert share[0] == 0 and abs(share[1] - 0.5) < 0.04


def test_histories_are_sequences_of_rewards() -> None:
    book = Histories(100, "toy", CPU)
    start = torch.zeros(4, dtype=torch.int64)
    first = torch.tensor([[1.0, 0.0], [1.0, -0.0], [0.0, 1.0], [1.0, 0.5]])
    one = book.enter(start, first, new=True)
    assert one[0] == one[1] and len(set(one.tolist())) == 3 and (one > 0).all()
    back, forth = book.enter(one, first[[2, 2, 0, 0]], new=True), book.enter(start, first, new=False)
    assert back[0] == back[1] != back[2] and torch.equal(forth, one)
    unknown = book.enter(start[:2], torch.tensor([[9.0, 9.0], [1.0, 9.0]]), new=False)
    assert unknown.tolist() == [UNKNOWN, UNKNOWN]
    assert book.enter(unknown, first[:2], new=False).tolist() == [UNKNOWN, UNKNOWN], (
        "and so is what comes after"
    )
    state = torch.tensor([0, 0, 1, UNKNOWN])
    assert book.pair(state[:3], one[:3], new=True).tolist() == [0, 0, 1]
    assert (
        book.pair(state, torch.tensor([int(one[0]), UNKNOWN, int(one[0]), 1]), new=False)[1:].tolist()
        == [-1] * 3
    )


def test_the_ledger_keeps_discounted_accounts() -> None:
    ledger = Ledger(Histories(100, "toy", CPU), 2, 2, 0.5, CPU)
    every, first = torch.tensor([True, True]), torch.tensor([True, False])
    ledger.enter(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), every, new=True)
    ledger.enter(torch.tensor([[8.0, 0.0], [9.0, 9.0]]), first, new=True)
    assert ledger.accrual.paid.tolist() == [[5, 2], [3, 4]] and ledger.accrual.factor.tolist() == [0.25, 0.5]
    ledger.reset(first)
    assert ledger.accrual.paid.tolist() == [[0, 0], [3, 4]] and ledger.accrual.factor.tolist() == [1, 0.5]
    assert int(ledger.history[0]) == 0 != int(ledger.history[1])


@pytest.mark.parametrize("mode", ["same step", "next step"])
def test_steps_join_no_two_episodes(mode: str) -> None:
    """Everybody walks right until the time limit of five steps."""
    env = (
        Corridor(2, max_episode_steps=5)
        if mode == "same step"
        else morl.make_vec(MOSyncVectorEnv([lambda: PlainCorridor(limit=5)] * 2))
    )
    numbers = States(EnvSpec.of(env), resolution=1.0, max_states=100)
    walker = Walker(env, numbers, seed=0, gamma=0.5, histories=Histories(100, "toy", CPU))
    steps = walker(lambda state, fresh: torch.full((2,), WALK), 13)
    walked = steps.valid[:, 0]
    assert sorted(numbers.keys.tolist()) == [0, 1, 2, 3, 4, 5]
    assert int(walked.sum()) == (13 if mode == "same step" else 11), "two steps only reset"
    since = torch.tensor([t % 5 + 1 for t in range(int(walked.sum()))], dtype=torch.float32)
    assert torch.equal(steps.fresh[walked, 0], since == 1)
    # Every step costs 1.
    torch.testing.assert_close(steps.paid[walked, 0, 1], -2 * (1 - 0.5**since))
    torch.testing.assert_close(steps.factor[walked, 0], 0.5**since)
    assert not steps.terminated.any()


def test_states_tell_pairs_of_position_and_past_apart() -> None:
    env = Corridor(1, max_episode_steps=None)
    numbers, book = States(EnvSpec.of(env), resolution=1.0, max_states=100), Histories(1000, "toy", CPU)
    walker = Walker(env, numbers, seed=0, gamma=1.0, histories=book)
    steps = walker(lambda state, fresh: torch.full((1,), WALK), 20)
    assert len(numbers) == LENGTH + 1 and len(book.pairs) == 21, (
        "the end of the corridor is met again and again"
    )
    assert torch.equal(steps.following[:-1], steps.state[1:])


def test_an_agent_counts_where_episodes_start() -> None:
    agent = ParetoQLearning(Corridor(4), resolution=1.0).learn(400, progress=False)
    started = agent.starts.nonzero().squeeze(1)
    assert agent.states.keys[started].tolist() == [0] and int(agent.starts.sum()) > 4
