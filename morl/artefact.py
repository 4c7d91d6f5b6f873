"""One chosen policy as a folder that acts: an agent with one preference fixed, and where it comes from.

    policy = morl.load_policy("policy/")
    action = policy.act(obs)

The folder is safetensors and JSON (`morl.store`). It holds the agent whole, so that every kind of agent can
be exported, and beside it the preference, or the number of the policy, that was chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from morl import store
from morl import weights as preference_weights
from morl._arrays import Array, as_count
from morl.errors import CheckpointError, MorlError
from morl.trust import Trust, check, code_names

if TYPE_CHECKING:
    import torch

    from morl.agent import Agent, Policy

FORMAT = "morl-policy"
SCHEMA_VERSION = 1

USAGE = (
    "policy = morl.load_policy(FOLDER); action = policy.act(obs), for one observation or a batch, numpy or torch; "
    "at the start of an episode policy.reset(), and for agents with memory after every step "
    "policy.observe(reward, done)"
)


class ChosenPolicy:
    """One policy: an agent that is always commanded in the same way.

    It can be given to `morl.evaluate` and `morl.playback.play` in the place of its agent; they then follow
    this policy whatever preference they name.

    Args:
        agent: any agent.
        preference: the weight vector (m,) that it is commanded by.
        member: instead, the number of one of its policies, for an agent with `follow`.
        metadata: JSON values that say what the policy is; kept as they are.
    """

    def __init__(
        self,
        agent: Agent,
        *,
        preference: Any = None,
        member: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        if (preference is None) == (member is None):
            raise MorlError("expected a preference or the number of a member, got both or neither")
        self.agent = agent
        self.preference: Array | None = None
        if preference is not None:
            self.preference = preference_weights.validate(preference, agent.num_objectives)
            if self.preference.ndim != 1:
                raise MorlError(f"expected one preference, got {len(self.preference)}")
        self.member = None if member is None else _checked_member(member, agent)
        self.metadata = dict(metadata or {})
        self.own: bool = agent.own
        """Whether the user vouches for all names in it: see `Agent.own`."""
        self._rows = 0
        self._policy: Policy | None = None

    def act(self, obs: Any) -> Any:
        """The greedy action for one observation of the environment, or actions (B, ...) for a batch (B, ...).

        Observations are as the environment itself returns them, in its own space (a dictionary, a picture, a
        number), a batch as Gymnasium's vector environments have it; actions are elements of its action space.
        Torch tensors give tensors on the policy's device, anything else gives numpy. Agents that were saved before
        they knew the environment's own spaces take and give what `morl.make_vec` does.

        Agents with memory remember one episode per row: keep the number of rows from one `reset` to the next.

        Raises:
            EnvError: an observation is not of the environment's space.
            NonFiniteError: a number is NaN or infinite.
        """
        import torch

        with torch.no_grad():
            return self.agent.spec.language.answer(
                obs, self.agent.device, lambda batch: self._following(len(batch)).act(batch)
            )

    def reset(self, mask: Any = None) -> None:
        """A new episode begins in the rows where `mask` (B,) holds, in all if None."""
        import torch

        if self._policy is not None:
            self._policy.reset(None if mask is None else torch.as_tensor(mask, device=self.agent.device))

    def observe(self, reward: Any, done: Any) -> None:
        """Take in the rewards (m,) or (B, m) and the ends, () or (B,), that the last actions led to."""
        import torch

        m, device = self.agent.num_objectives, self.agent.device
        rewards = torch.as_tensor(reward, dtype=torch.float32, device=device).reshape(-1, m)
        ends = torch.as_tensor(done, dtype=torch.bool, device=device).reshape(-1)
        self._following(len(rewards)).observe(rewards, ends)

    def policy(self, preference: Any) -> Policy:
        """The same policy for each row of `preference` (B, m): what evaluation calls. It starts afresh."""
        return self.of_rows(len(preference))

    def to_module(self) -> torch.nn.Module:
        """`act` for tensors as a module for `torch.export.export`, and what goes on from there, such as ONNX.

        Its parameters stand still, on the policy's device; values of observations are not checked.

        Raises:
            MorlError: the policy remembers its episode, or draws random actions.
        """
        from morl.modules import PolicyModule

        return PolicyModule(self)

    def __getattr__(self, name: str) -> Any:
        # What evaluation asks of an agent: device, gamma, spec, name, seed, ...
        if name in ("agent", "follow", "returns", "answering"):
            raise AttributeError(
                name
            )  # not set yet: a copy is being made; and one policy is no set of policies
        return getattr(self.agent, name)

    def __repr__(self) -> str:
        if self.preference is None:
            command = f"policy {self.member}"
        else:
            command = "preference " + " ".join(f"{weight:.4g}" for weight in self.preference)
        return f"<ChosenPolicy of {self.agent.name} for {self.agent.env_id}: {command}>"

    def _following(self, rows: int) -> Policy:
        """The policies of the episodes under way; new ones where the number of rows changes."""
        if self._policy is None or rows != self._rows:
            self._rows, self._policy = rows, self.of_rows(rows)
        return self._policy

    def of_rows(self, rows: int) -> Policy:
        """The same policy in so many rows, at the start of episodes."""
        import torch

        if self.preference is not None:
            return self.agent.policy(np.tile(self.preference, (rows, 1)))
        agent: Any = self.agent
        made: Policy = agent.follow(torch.tensor([self.member] * rows, device=agent.device))
        return made


def save_policy(policy: ChosenPolicy, path: str | Path) -> Path:
    """Write a policy as the folder `path`, replacing a policy that is there.

    Raises:
        MorlError: the folder holds something else.
    """
    check_place(path)
    header = {
        **policy.metadata,
        "preference": None if policy.preference is None else policy.preference.tolist(),
        "member": policy.member,
        "usage": USAGE,
    }
    state = {"policy": header, "agent": policy.agent.to_state()}
    return store.save(path, state, format=FORMAT, version=SCHEMA_VERSION, own=policy.own)


def check_place(path: str | Path) -> None:
    """Raise a `MorlError` where a policy would be written among other things."""
    path = Path(path)
    if path.exists() and not is_policy(path) and (not path.is_dir() or any(path.iterdir())):
        raise MorlError(f"expected a new folder for the policy, {path} holds something else; choose another")


def load_policy(
    path: str | Path, *, device: torch.device | str = "cpu", trust: Trust = False
) -> ChosenPolicy:
    """The policy that `Choice.save` or `morl choose --out` wrote, ready to act on `device`.

    Raises:
        CheckpointError: there is none, or it is damaged.
        TrustError: its agent is of a class that is not registered, and the folder comes from elsewhere; allow it by
            `trust`, see `morl.trust`.
    """
    from morl.agent import Agent

    state, signed = store.load_signed(path, format=FORMAT, version=SCHEMA_VERSION, device=device)
    trust = signed or trust
    with store.decoding(path):
        header = state["policy"]
        agent = Agent.from_state(state["agent"], device=device, source=str(path), trust=trust)
        return ChosenPolicy(agent, preference=header["preference"], member=header["member"], metadata=header)


def environment_of(policy: ChosenPolicy, trust: Trust = False) -> tuple[str, dict[str, Any]]:
    """The environment that a policy's folder names, and its keyword arguments.

    Raises:
        CheckpointError: the entries are of the wrong type.
        TrustError: they name code that the user did not say; see `morl.trust`.
    """
    env = policy.metadata.get("env", policy.agent.env_id)
    kwargs = policy.metadata.get("env_kwargs", {})
    if not isinstance(env, str) or not isinstance(kwargs, dict):
        raise CheckpointError(
            f"expected a policy with the id of an environment and a dictionary of arguments, got {env!r} and "
            f"{kwargs!r}; write the policy again"
        )
    check(code_names(env, values=kwargs), "this policy", trust or policy.own)
    return env, kwargs


def _checked_member(member: Any, agent: Any) -> int:
    """The number of one of the agent's policies."""
    number = as_count(member, name="member", minimum=0)
    if not hasattr(agent, "follow"):
        raise MorlError(
            f"expected an agent that is a set of policies, {agent.name} is not; give a preference"
        )
    if number >= len(agent.returns):
        raise MorlError(f"expected a member below {len(agent.returns)}, the number of policies, got {number}")
    return number


def is_policy(path: str | Path) -> bool:
    """Whether a folder looks like a saved policy; agents are folders of the same make."""
    try:
        document = store.read_json(Path(path) / store.STATE_FILE)
    except (OSError, CheckpointError):
        return False
    return isinstance(document, dict) and document.get("format") == FORMAT
