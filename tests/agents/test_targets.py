"""Returns over several steps against their definition, written as a recursion over single steps."""

from __future__ import annotations

from typing import NamedTuple

import torch
from histories import ACTIONS, STATES, Flags, M, generator, history, preferences
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from morl.agents import dqn
from morl.replay import Sequences

GAMMA, TOLERANCE = 0.9, 0.05


class Known(NamedTuple):
    """What is known of every state, by its number."""

    value: Tensor
    random: Tensor
    advantage: Tensor

    @classmethod
    def of(cls, seed: int) -> Known:
        g = generator(seed + 1)
        score = 0.1 * torch.randint(3, (STATES, ACTIONS), generator=g)  # often tied or within the tolerance
        advantage = score - score.max(dim=-1, keepdim=True).values
        value, random = torch.randn(2, STATES, M, generator=g, dtype=torch.float64)
        return cls(value, random, advantage)

    def bootstrap(self, batch: Sequences) -> dqn.Bootstrap:
        states = dqn.states_of(batch)[0].squeeze(-1).long()
        unused = torch.full_like(batch.reward, torch.nan)
        return dqn.Bootstrap(self.value[states], self.random[states], unused, self.advantage[states])


class Options(NamedTuple):
    """The choices of `trace_targets`."""

    optimism: float | None = None
    caution: float = 0.0

    def targets(self, batch: Sequences, known: Known, w: Tensor) -> Tensor:
        options = {"gamma": GAMMA, "tolerance": TOLERANCE, **self._asdict()}
        return dqn.trace_targets(batch, known.bootstrap(batch), w, **options)


def reference(batch: Sequences, known: Known, w: Tensor, t: int, b: int, options: Options) -> Tensor:
    """The target of step t of sequence b, from its definition."""
    reward, state, c = batch.reward[t, b], int(batch.next_obs[t, b]), options.caution
    following = (1 - c) * known.value[state] + c * known.random[state]
    if batch.terminated[t, b]:
        return reward
    if batch.truncated[t, b] or t == len(batch.reward) - 1:
        return reward + GAMMA * following
    rest = (1 - c) * reference(batch, known, w, t + 1, b, options) + c * known.random[state]
    greedy = known.advantage[state, batch.action[t + 1, b]] >= -TOLERANCE
    if options.optimism is None:
        follows = greedy
    else:
        better = rest @ w[b] > following @ w[b] + options.optimism
        follows = better | greedy if options.optimism > 0 else better
    return reward + GAMMA * (rest if follows else following)


@given(
    seed=st.integers(0, 9999),
    length=st.integers(1, 9),
    flags=st.builds(Flags, st.floats(0, 0.4), st.floats(0, 0.4), st.booleans()),
    options=st.builds(Options, st.sampled_from([None, 0.0, 0.3]), st.sampled_from([0.0, 0.1, 1.0])),
)
def test_targets_equal_their_definition(seed: int, length: int, flags: Flags, options: Options) -> None:
    batch, known, w = history(seed, length, 4, flags), Known.of(seed), preferences(seed, 4)
    targets = options.targets(batch, known, w)
    usable = dqn.states_of(batch)[1]
    assert not (usable & ~batch.valid).any()
    for b in range(4):
        cuts = batch.truncated[:, b] & ~batch.terminated[:, b]
        if int(cuts.sum()) <= 1:
            assert torch.equal(usable[:, b], batch.valid[:, b]), "nothing is thrown away needlessly"
        for t in range(length):
            if usable[t, b]:
                torch.testing.assert_close(targets[t, b], reference(batch, known, w, t, b, options))
        first_end = int((batch.terminated | batch.truncated)[:, b].int().argmax()) if cuts.any() else 0
        assert usable[: first_end + 1, b].all(), "a sequence teaches at least up to its first end"


def test_one_step_targets_are_the_papers() -> None:
    batch = history(3, 1, 200, Flags(0.3, 0.3))
    known, w = Known.of(3), preferences(3, 200)
    for optimism in (None, 0.0, 0.3):
        target = Options(optimism).targets(batch, known, w)
        following = known.value[batch.next_obs.squeeze(-1).long()]
        goes_on = (~batch.terminated).unsqueeze(-1)
        torch.testing.assert_close(target, batch.reward + GAMMA * goes_on * following)


def test_the_better_continuation_counts_as_the_preference_weighs_it() -> None:
    """Two steps; what followed is worth (3, 0), the state in between was thought to be worth (0, 2)."""
    batch = history(0, 2, 2, Flags(0, 0))._replace(
        reward=torch.tensor([[[0.0, 0.0]] * 2, [[3.0, 0.0]] * 2], dtype=torch.float64),
        terminated=torch.tensor([[False, False], [True, True]]),
    )
    value = torch.tensor([[0.0, 2.0]], dtype=torch.float64).expand(4, 2, 2)
    boot = dqn.Bootstrap(value, value, value[:2], torch.full((4, 2, ACTIONS), -9.0))
    w = torch.tensor([[0.9, 0.1], [0.1, 0.9]], dtype=torch.float64)
    hopeful, demanding, cautious = (
        dqn.trace_targets(batch, boot, w, gamma=1.0, tolerance=0.0, caution=0.0, optimism=optimism)[0]
        for optimism in (0.0, 2.6, None)
    )
    assert hopeful.tolist() == [[3, 0], [0, 2]]
    assert demanding.tolist() == cautious.tolist() == [[0, 2], [0, 2]], "2.7 is not 2.6 more than 0.2"


def test_states_are_the_observed_the_last_and_the_one_after_a_cut() -> None:
    batch = history(0, 5, 3, Flags(0, 0))
    cut = torch.zeros(5, 3, dtype=torch.bool)
    cut[2, 1] = cut[4, 2] = True
    states, usable = dqn.states_of(batch._replace(truncated=cut))
    assert torch.equal(states[:5], batch.obs) and torch.equal(states[5], batch.next_obs[-1])
    assert states[6, 1] == batch.next_obs[2, 1] and states[6, 2] == batch.next_obs[4, 2]
    assert usable.all()
