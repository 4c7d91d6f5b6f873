"""One measurement in a process of its own: `python worker.py TASK < request.json` prints the result."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import adapters
import measure
import torch

import morl
from morl import registry
from morl.agent import Agent
from morl.callbacks import Callback

Request = dict[str, Any]
WARM_UP = 5


def train(request: Request) -> dict[str, Any]:
    """Train an agent, then write its front on the original environment."""
    env, agent = _agent(request)
    agent.learn(request["total_steps"], progress=False)
    seconds = time.time() - request["started"]
    peak = measure.peak_memory()
    env.close()
    start = time.perf_counter()
    front = morl.evaluate(
        agent,
        request["env"],
        weights=morl.weights.lattice(agent.num_objectives, partitions=request["partitions"]),
        episodes=request["episodes"],
        gamma=request["gamma"],
        backend="original",
    )
    front.save(request["front"])
    return {
        "seconds": seconds,
        "evaluation_seconds": time.perf_counter() - start,
        "memory": peak,
        "steps": agent.steps,
        "threads": agent.threads,
    }


def learn(request: Request) -> dict[str, Any]:
    """Seconds of a training, the choice of its number of threads included."""
    env, agent = _agent(request)
    start = time.perf_counter()
    agent.learn(request["total_steps"], progress=False)
    seconds = time.perf_counter() - start
    env.close()
    return {"seconds": seconds, "threads": agent.threads}


class Watch(Callback):
    """Commanded utility on the original environment against seconds of training, the looks left out."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.points: list[dict[str, float]] = []
        self.out = 0.0
        self.vec: Any = None

    def seconds(self) -> float:
        """Since the process was started."""
        return time.time() - self.request["started"] - self.out

    def on_iteration(self, agent: Agent, metrics: dict[str, Any]) -> None:
        """Look if it is time."""
        last = self.points[-1]["seconds"] if self.points else 0.0
        if self.seconds() - last >= self.request["every"]:
            self.look(agent)

    def look(self, agent: Any) -> None:
        """Evaluate one episode per preference: the environment and the greedy policy are deterministic."""
        seconds, start = self.seconds(), time.time()
        weights = morl.weights.lattice(agent.num_objectives, partitions=self.request["partitions"])
        if self.vec is None:
            self.vec = morl.make_vec(self.request["env"], num_envs=len(weights), backend="original")
        front = morl.evaluate(agent, self.vec, weights=weights, episodes=1, gamma=self.request["gamma"])
        self.points.append(
            {
                "seconds": seconds,
                "steps": agent.steps,
                "updates": int(agent.learner.adam.step),
                "commanded_utility": front.commanded_utility(),
            }
        )
        self.out += time.time() - start


def curve(request: Request) -> dict[str, Any]:
    """Train an EnvelopeDQN to the end of its budget, looking at it every few seconds."""
    env, agent = _agent(request)
    watch = Watch(request)
    agent.learn(request["total_steps"], callbacks=[watch], progress=False)
    watch.look(agent)
    env.close()
    return {"points": watch.points}


def throughput(request: Request) -> dict[str, Any]:
    """Steps per second of the original, if asked for, and of the batched environment, in turns."""
    env_id, seconds = request["env"], request["seconds"]
    names = ("original", "bare") if request["original"] else ()
    loops = {name: measure.OriginalLoop(env_id, bare=name == "bare") for name in names}
    generator = torch.Generator().manual_seed(0)
    envs, first_seconds = {}, {}
    for mode in ("eager", "compiled"):
        for size in request["sizes"]:
            env = morl.make_vec(env_id, num_envs=size, backend="batched", compile=mode == "compiled")
            env.reset(seed=0)
            start = time.perf_counter()
            for _ in range(WARM_UP):
                env.step(measure.random_actions(env, generator))
            first_seconds[f"{mode} {size}"] = time.perf_counter() - start
            envs[mode, size] = env
    rates: dict[str, list[float]] = {f"{mode} {size}": [] for mode, size in envs}
    loop_rates: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(request["repeats"]):
        for name, loop in loops.items():
            loop_rates[name].append(loop.rate(seconds))
        for (mode, size), env in envs.items():
            rates[f"{mode} {size}"].append(measure.batched_rate(env, seconds, generator))
    return {**loop_rates, "batched": rates, "first_seconds": first_seconds}


def resident(request: Request) -> dict[str, Any]:
    """Peak memory of a batched environment that steps."""
    env = morl.make_vec(request["env"], num_envs=request["num_envs"], backend="batched")
    env.reset(seed=0)
    generator = torch.Generator().manual_seed(0)
    for _ in range(request["steps"]):
        env.step(measure.random_actions(env, generator))
    return {"memory": measure.peak_memory()}


def evaluate(request: Request) -> dict[str, Any]:
    """Seconds of evaluations on the batched environment, its construction included, by an untrained agent."""
    _, agent = _agent({**request, "num_envs": 1, "seed": 0})
    weights = morl.weights.lattice(agent.num_objectives, partitions=request["partitions"])
    seconds, longest = [], []
    for seed in range(request["repeats"]):
        start = time.perf_counter()
        front = morl.evaluate(
            agent, request["env"], weights=weights, episodes=request["episodes"], seed=seed, backend="batched"
        )
        seconds.append(time.perf_counter() - start)
        assert front.episode_lengths is not None
        longest.append(int(front.episode_lengths.max()))
    return {"seconds": seconds, "longest": longest}


def _agent(request: Request) -> tuple[Any, Any]:
    """The environment and the agent that a request describes."""
    env = morl.make_vec(request["env"], num_envs=request["num_envs"])
    kind = registry.agent_class(request["agent"])
    return env, kind(env, seed=request["seed"], **request.get("settings", {}))


TASKS: dict[str, Callable[[Request], dict[str, Any]]] = {
    task.__name__: task
    for task in (train, learn, curve, throughput, resident, evaluate, adapters.processes, adapters.pools)
}

if __name__ == "__main__":
    print(json.dumps(TASKS[sys.argv[1]](json.load(sys.stdin))))
