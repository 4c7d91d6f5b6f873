"""MORL-Baselines' Envelope on minecart, looked at while it trains: `python peer_envelope.py < request.json`.

Runs where morl-baselines is installed, which may be another Python than morl's; needs nothing of morl. The
settings are those of MORL-Baselines' own examples/envelope_minecart.py. Prints one line of JSON per look:
seconds of training (looks and imports left out), steps, updates, commanded utility. The request holds env,
gamma, weights (n, m), seed, seconds (the most to train), every (seconds between looks) and enough (the
commanded utility at which to stop).
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import warnings
from typing import Any

os.environ.setdefault("WANDB_MODE", "disabled")

import gymnasium
import mo_gymnasium  # noqa: F401 - registers its environments
import numpy as np
import torch
from morl_baselines.multi_policy.envelope.envelope import Envelope

SETTINGS: dict[str, Any] = {
    "max_grad_norm": 0.1,
    "learning_rate": 3e-4,
    "batch_size": 64,
    "net_arch": [256, 256, 256, 256],
    "buffer_size": 2_000_000,
    "initial_epsilon": 1.0,
    "final_epsilon": 0.05,
    "epsilon_decay_steps": 50_000,
    "initial_homotopy_lambda": 0.0,
    "final_homotopy_lambda": 1.0,
    "homotopy_decay_steps": 10_000,
    "learning_starts": 100,
    "envelope": True,
    "gradient_updates": 1,
    "target_net_update_freq": 1000,
    "tau": 1,
}
ENDLESS = 10**9


class Over(Exception):
    """Training has shown what it had to."""


class WatchedEnvelope(Envelope):
    """Envelope, counting its updates and stopping now and then to be looked at."""

    def __init__(self, env: Any, request: dict[str, Any]) -> None:
        self.request = request
        self.updates = 0
        self.out = self.last = 0.0
        self.weights = np.array(request["weights"])
        self.copies = [make(request["env"]) for _ in self.weights]
        self.start = time.perf_counter()
        seed, gamma = request["seed"], request["gamma"]
        super().__init__(env, gamma=gamma, seed=seed, device="cpu", log=False, **SETTINGS)

    def update(self) -> None:
        super().update()
        self.updates += self.gradient_updates
        now = time.perf_counter() - self.start - self.out
        over = now >= self.request["seconds"]
        if over or now - self.last >= self.request["every"]:
            self.last = now
            found = self.look(now)
            if over or found >= self.request["enough"]:
                raise Over

    def look(self, now: float) -> float:
        """Print and return the commanded utility, on the training's clock at `now`."""
        start = time.perf_counter()
        returns = self.greedy_returns()
        found = float((self.weights * returns).sum(axis=1).mean())
        line = {"seconds": now, "steps": self.global_step, "updates": self.updates}
        print(json.dumps({**line, "commanded_utility": found}), flush=True)
        self.out += time.perf_counter() - start
        return found

    @torch.no_grad()
    def greedy_returns(self) -> np.ndarray:
        """Discounted return (n, m) of one greedy episode per weight, all episodes side by side."""
        weights = torch.as_tensor(self.weights, dtype=torch.float32)
        obs = np.stack([copy.reset(seed=i)[0] for i, copy in enumerate(self.copies)])
        returns, factor = np.zeros_like(self.weights), 1.0
        active = np.arange(len(self.copies))
        while len(active):
            q = self.q_net(torch.as_tensor(obs[active]).float(), weights[active])
            actions = torch.einsum("br,bar->ba", weights[active], q).argmax(dim=1).tolist()
            alive = np.ones(len(active), dtype=bool)
            for place, (i, action) in enumerate(zip(active, actions, strict=True)):
                obs[i], reward, terminated, truncated, _ = self.copies[i].step(action)
                returns[i] += factor * reward
                alive[place] = not (terminated or truncated)
            active, factor = active[alive], factor * self.gamma
        return returns


def make(env_id: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # spaces given in float64
        return gymnasium.make(env_id, disable_env_checker=True)


def main() -> None:
    request = json.load(sys.stdin)
    torch.manual_seed(request["seed"])
    agent = WatchedEnvelope(make(request["env"]), request)
    with contextlib.suppress(Over):
        agent.train(total_timesteps=ENDLESS)


if __name__ == "__main__":
    main()
