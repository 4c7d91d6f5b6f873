"""MORL-Baselines' MORL/D with discrete SAC, looked at while it trains: `python peer_morld.py < request.json`.

Runs where morl-baselines is installed, which may be another Python than morl's; needs nothing of morl. The
settings are those of MORL-Baselines' own examples/morld_lunar_lander.py, its only one with discrete actions,
except the population. Prints one line of JSON per look, at every exchange of the algorithm: seconds of training
(looks and imports left out), steps, and the mean over weights of the best policy in its archive; what the library
prints goes to the error output. The request holds env, gamma, reference_point, weights (n, m), seed, population and
seconds (the most to train).
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
from morl_baselines.multi_policy.morld.morld import MORLD

SETTINGS: dict[str, Any] = {
    "exchange_every": 5000,
    "policy_name": "MOSACDiscrete",
    "scalarization_method": "ws",
    "evaluation_mode": "ser",
    "neighborhood_size": 1,
    "update_passes": 10,
    "shared_buffer": True,
    "sharing_mechanism": [],
    "weight_adaptation_method": "PSA",
    "policy_args": {
        "target_net_freq": 200,
        "batch_size": 128,
        "buffer_size": 1_000_000,
        "net_arch": [256, 256, 256, 256],
        "update_frequency": 1,
        "target_entropy_scale": 0.3,
    },
}
ENDLESS = 10**9


class Over(Exception):
    """Training has shown what it had to."""


class WatchedMORLD(MORLD):
    """MORL/D whose evaluations, which the algorithm needs, are printed and left out of the clock."""

    def __init__(self, env: Any, request: dict[str, Any]) -> None:
        self.request, self.out, self.start = request, 0.0, time.perf_counter()
        super().__init__(
            env, gamma=request["gamma"], pop_size=request["population"], seed=request["seed"], log=False,
            device="cpu", **SETTINGS,
        )  # fmt: skip

    def _MORLD__eval_all_policies(self, *args: Any, **options: Any) -> Any:
        begin = time.perf_counter()
        found = super()._MORLD__eval_all_policies(*args, **options)
        seconds = begin - self.start - self.out
        points = np.array(self.archive.evaluations)
        utility = float((np.array(self.request["weights"]) @ points.T).max(axis=1).mean())
        line = {"seconds": seconds, "steps": self.global_step, "commanded_utility": utility}
        text = json.dumps({**line, "points": points.round(4).tolist()})
        print(text, file=sys.__stdout__, flush=True)
        self.out += time.perf_counter() - begin
        if seconds >= self.request["seconds"]:
            raise Over
        return found


def make(env_id: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # spaces given in float64
        return gymnasium.make(env_id, disable_env_checker=True)


def main() -> None:
    request = json.load(sys.stdin)
    torch.manual_seed(request["seed"])
    with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(Over):
        agent = WatchedMORLD(make(request["env"]), request)
        agent.train(
            ENDLESS,
            make(request["env"]),
            np.array(request["reference_point"]),
            num_eval_episodes_for_front=1,  # nothing is random
            checkpoints=False,
        )


if __name__ == "__main__":
    main()
