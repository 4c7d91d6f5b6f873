"""Minecart, batched: dig ore at the mines, bring it home, burn little fuel.

Abels et al. 2019, "Dynamic Weights in Multi-Objective Deep Reinforcement Learning" (arXiv 1809.07803), with
the dynamics of MO-Gymnasium's `minecart-v0`, equal to them step by step. Two defects of that implementation
are not followed: ore is drawn from the environment's own streams instead of SciPy's global random state, so
`reset(seed=...)` makes an episode reproducible; and mines that a configuration leaves out are placed, and the
mines' pictures turned, from `layout_seed`, not from NumPy's global state.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor

from morl.envs.base import BatchedEnv, Step
from morl.envs.minecart_config import BASE_RADIUS, config_path, read_config, read_look
from morl.envs.minecart_raster import SIZE, Raster
from morl.envs.single import SingleEnv
from morl.errors import EnvError
from morl.streams import Streams

MINE, LEFT, RIGHT, ACCELERATE, BRAKE, NOTHING = range(6)

STILL = 0.001
"""Below this speed the cart stands still, and may dig."""
HEADING_UNIT = 5
"""Degrees. Headings start at 45 and change by 10, so they are whole multiples of this."""
TURN = 2
"""Heading units (10 degrees) per frame of a turn, and per frame of sliding along a wall."""
FULL_TURN = 72
TABLE = 16 * FULL_TURN
"""Sliding along wall after wall carries headings outside [0, 360) degrees: there is room for eight turns."""
MAX_SPEED = 1.0
ACCELERATION = 0.0075
DECELERATION = 1.0
MINE_RADIUS = 0.14
FUEL_IDLE, FUEL_ACCELERATE, FUEL_MINE = -0.005, -0.025, -0.05


class State(NamedTuple):
    """Where n carts are, and what they carry."""

    x: Tensor
    y: Tensor
    speed: Tensor
    heading: Tensor
    """(n,) int64, in units of 5 degrees; 0 points along x, 90 degrees along y."""
    content: Tensor
    """(n, ores) ore in the cart."""
    departed: Tensor
    """(n,) bool: the cart has left the base, so coming back ends the episode."""


def make_single(**options: Any) -> SingleEnv:
    """One cart as a `gymnasium.Env`; takes the arguments of `Minecart`."""
    return SingleEnv(Minecart, **options)


class Minecart(BatchedEnv):
    """`num_envs` minecarts. Observation: position (2), speed, sin and cos of the heading, content / capacity;
    or a picture, (480, 480, 3) uint8.

    Actions: mine, left, right, accelerate, brake, nothing; each is held for `frame_skip` frames.
    Objectives: one per ore (amount brought home, paid when the cart returns) and fuel (negative).

    Args:
        num_envs: how many carts.
        config: a configuration file in MO-Gymnasium's format, or the name of one that it ships:
            "mine_config.json" (stochastic) or "mine_config_det.json".
        frame_skip: frames per step.
        incremental_frame_skip: True applies the action anew in every frame; False applies it once, scaled.
        layout_seed: places mines and ore distributions that the configuration does not give.
        image_observation: observe pictures, 0.7 MB each; better without `compile`, which makes them slower.
            They are exact in float64; in float32 a cart may now and then be drawn a pixel off.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        config: str | Path = "mine_config.json",
        frame_skip: int = 4,
        incremental_frame_skip: bool = True,
        layout_seed: int = 0,
        image_observation: bool = False,
        max_episode_steps: int | None = 1000,
        **options: Any,
    ) -> None:
        if frame_skip < 1:
            raise EnvError(f"expected frame_skip >= 1, got {frame_skip}")
        path = config_path(config)
        positions, means, deviations, self.capacity = read_config(path, layout_seed)
        ores = means.shape[1]
        low = np.full(5 + ores, -1.0, dtype=np.float32)
        super().__init__(
            num_envs,
            observation_space=Box(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
            if image_observation
            else Box(low, np.ones_like(low)),
            action_space=Discrete(6),
            # The original declares a floor of -1 for fuel; one step's fuel is what it really can pay.
            reward_space=Box(
                np.array([0.0] * ores + [frame_skip * (FUEL_IDLE + FUEL_MINE)], dtype=np.float32),
                np.array([self.capacity] * ores + [0.0], dtype=np.float32),
            ),
            max_episode_steps=max_episode_steps,
            **options,
        )
        self.ores = ores
        self.frame_skip = frame_skip
        self.frames, self.repeat = (frame_skip, 1) if incremental_frame_skip else (1, frame_skip)
        self.mine_x, self.mine_y = self.constant(positions[:, 0]), self.constant(positions[:, 1])
        self.ore_mean, self.ore_deviation = self.constant(means), self.constant(deviations)
        self.stochastic = bool((deviations > 0).any())
        fuel = np.full(6, FUEL_IDLE)
        fuel[ACCELERATE] += FUEL_ACCELERATE
        fuel[MINE] += FUEL_MINE
        self.fuel = self.constant(fuel * frame_skip)
        turn, push = np.zeros(6), np.zeros(6)
        turn[LEFT], turn[RIGHT] = -TURN * self.repeat, TURN * self.repeat
        push[ACCELERATE], push[BRAKE] = ACCELERATION * self.repeat, -DECELERATION * self.repeat
        self.turn, self.push = self.constant(turn, dtype=torch.int64), self.constant(push)
        # Tables instead of torch.sin and torch.cos: an out-and-back path along a wall ends within one
        # rounding error of it, so a sine that differs from Python's in the last bit would change whether the
        # cart slides.
        units = [unit if unit < TABLE // 2 else unit - TABLE for unit in range(TABLE)]
        radians = [unit * HEADING_UNIT * math.pi / 180 for unit in units]
        self.sine = self.constant([math.sin(angle) for angle in radians])
        self.cosine = self.constant([math.cos(angle) for angle in radians])
        self.raster: Raster | None = None
        if image_observation:
            colors, turns = read_look(path, layout_seed)
            self.raster = Raster(
                self.constant, mines=positions, turns=turns, colors=colors, capacity=self.capacity
            )

    def draw_step_noise(self, n: int, streams: Streams) -> Tensor | None:
        """Standard normal numbers (n, frame_skip, ores), one for each dig; None when ore is deterministic."""
        return streams.normal(self.frame_skip, self.ores).to(self.dtype) if self.stochastic else None

    def initial_state(self, n: int, noise: Tensor | None) -> State:
        """All empty at the base, heading for the middle."""
        zero = torch.zeros(n, dtype=self.dtype, device=self.device)
        return State(
            x=zero,
            y=zero,
            speed=zero,
            heading=torch.full((n,), 45 // HEADING_UNIT, dtype=torch.int64, device=self.device),
            content=torch.zeros(n, self.ores, dtype=self.dtype, device=self.device),
            departed=torch.zeros(n, dtype=torch.bool, device=self.device),
        )

    def observe(self, state: State) -> Tensor:
        """Pose and load (n, 5 + ores), float32; or pictures (n, 480, 480, 3), uint8."""
        if self.raster is not None:
            return self.raster.draw(state.x, state.y, state.heading, state.content)
        index = torch.remainder(state.heading, TABLE)
        pose = torch.stack((state.x, state.y, state.speed, self.sine[index], self.cosine[index]), dim=1)
        return torch.cat((pose, state.content / self.capacity), dim=1).to(torch.float32)

    def transition(self, state: State, action: Tensor, noise: Tensor | None) -> Step:
        """`frame_skip` frames of the action."""
        turn, push = self.turn[action], self.push[action]
        digging = action == MINE
        cart = state
        sold = torch.zeros_like(state.content)
        home = earlier_home = torch.zeros_like(state.departed)
        for frame in range(self.frames):
            # The original checks for the end between acting and moving, so a cart that came home in one
            # frame still acts in the next, and only then stops.
            acts, moves = ~earlier_home, ~home
            cart = self._act(cart, acts, turn, push, digging, noise, frame)
            cart = self._move(cart, moves)
            inside = (cart.x * cart.x + cart.y * cart.y).sqrt() < BASE_RADIUS
            arrives = moves & inside & cart.departed
            sold = torch.where(arrives.unsqueeze(1), cart.content, sold)
            cart = cart._replace(
                content=cart.content.masked_fill(arrives.unsqueeze(1), 0.0),
                departed=cart.departed | (moves & ~inside),
            )
            earlier_home, home = home, home | arrives
        fuel = self.fuel[action].unsqueeze(1)
        return Step(cart, torch.cat((sold, fuel), dim=1), home)

    def _act(
        self,
        cart: State,
        acts: Tensor,
        turn: Tensor,
        push: Tensor,
        digging: Tensor,
        noise: Tensor | None,
        frame: int,
    ) -> State:
        """Turn, accelerate or brake, or dig: what the action does in one frame where `acts` holds."""
        content = cart.content
        digs = acts & digging & (cart.speed < STILL)
        distance = (
            (cart.x.unsqueeze(1) - self.mine_x) ** 2 + (cart.y.unsqueeze(1) - self.mine_y) ** 2
        ).sqrt()
        nearest, mine = distance.min(dim=1)
        digs = (digs & (nearest <= MINE_RADIUS)).unsqueeze(1)
        for k in range(frame * self.repeat, (frame + 1) * self.repeat):
            ore = self.ore_mean[mine]
            if noise is not None:
                ore = ore + self.ore_deviation[mine] * noise[:, k]
            ore = ore.clamp(min=0.0)
            total = ore.sum(dim=1, keepdim=True)
            free = self.capacity - content.sum(dim=1, keepdim=True)
            # Rounding can leave free < 0 = total, where the original divides by zero and loads NaN.
            scale = free / total.clamp(min=torch.finfo(self.dtype).tiny)
            ore = torch.where(total > free, ore * scale, ore)
            content = torch.where(digs, content + ore, content)
        # No turn leaves the heading as it is: it may lie outside [0, 360) degrees after a slide.
        heading = torch.where(
            acts & (turn != 0), torch.remainder(cart.heading + turn, FULL_TURN), cart.heading
        )
        speed = torch.where(acts & (push != 0), (cart.speed + push).clamp(0.0, MAX_SPEED), cart.speed)
        return cart._replace(content=content, heading=heading, speed=speed)

    def _move(self, cart: State, moves: Tensor) -> State:
        """`repeat` frames of motion in the unit square; walls turn the cart until it slides along them."""
        x, y, speed, heading, *_ = cart
        for _ in range(self.repeat):
            going = moves & (speed >= STILL)
            index = torch.remainder(heading, TABLE)
            dx, dy = speed * self.cosine[index], speed * self.sine[index]
            off_y = (y != 0) & (y != 1) & (dy.abs() > STILL)
            off_x = (x != 0) & (x != 1) & (dx.abs() > STILL)
            at_x = ((x == 1) & (dx > 0)).to(self.dtype) - ((x == 0) & (dx < 0)).to(self.dtype)
            at_y = ((y == 1) & (dy > 0)).to(self.dtype) - ((y == 0) & (dy < 0)).to(self.dtype)
            slide = off_y * at_x * dy.sign() - off_x * at_y * dx.sign()
            new_x, new_y = (x + dx).clamp(0.0, 1.0), (y + dy).clamp(0.0, 1.0)
            new_speed = ((new_x - x) ** 2 + (new_y - y) ** 2).sqrt()
            heading = torch.where(going, heading + TURN * slide.to(torch.int64), heading)
            speed = torch.where(going, new_speed, speed)
            x, y = torch.where(going, new_x, x), torch.where(going, new_y, y)
        return cart._replace(x=x, y=y, speed=speed, heading=heading)
