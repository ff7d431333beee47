"""A small planning agent for tests: its settings, what it is to bring about, and transitions of a world to learn."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch

from robot_mbrl.agent_configs import MPCConfig
from robot_mbrl.agents.families import make_agent
from robot_mbrl.agents.mpc import FIT, HELD_OUT, MPC
from robot_mbrl.agents.purpose import Purpose
from robot_mbrl.specs import ActionSpec, Element, ObservationSpec, VectorSpec
from robot_mbrl.tasks.objective import effort
from robot_mbrl.world_models.batch import Batch

OBSERVATION = ObservationSpec(
    vectors={
        "joints": VectorSpec(elements=(Element(name="a", scale=2.0), Element(name="b"))),
        "imu": VectorSpec(elements=(Element(name="c"),)),
    }
)
ACTION = ActionSpec(names=("left", "right"))
GOAL = {"place": VectorSpec(elements=(Element(name="goal_a"), Element(name="goal_turn")))}
CONFIG = MPCConfig(
    members=2, units=16, batch_size=32, held_out_size=16, horizon=5, candidates=24, iterations=3, elites=6,
    prefill_steps=20, pretrain_updates=0, data_noise=0.01,
)  # fmt: skip


class BeThere:
    """A cost of the distance from a place, of a turn, as far as there can be one, and of the action."""

    reads: ClassVar[tuple[str, ...]] = ("a", "c")
    goal: ClassVar[Mapping[str, float]] = {"goal_a": 0.0, "goal_turn": 0.0, "weight": 0.1}
    angles: ClassVar[tuple[str, ...]] = ("goal_turn",)

    def cost(self, values: Mapping[str, Any], action: Sequence[Any], goal: Mapping[str, Any]) -> Any:
        turned = (values["c"] - goal["goal_turn_sin"]) ** 2 * (values["c"] > -20.0)
        return (values["a"] - goal["goal_a"]) ** 2 + 0.5 * turned + goal["weight"] * effort(action)


def planning_agent(config: MPCConfig = CONFIG, seed: int = 0, **changes: Any) -> MPC:
    """An agent whose statistics are those of the world that `transitions` are from."""
    purpose = Purpose(BeThere(), GOAL)
    settings = MPCConfig.model_validate(config.model_dump() | changes)
    agent = make_agent(OBSERVATION, ACTION, settings, torch.device("cpu"), seed, purpose)
    assert isinstance(agent, MPC)
    return agent


def batches(agent: MPC, seed: int = 0) -> dict[str, Batch]:
    """Random transitions for an update."""
    draws = agent.draws()
    return {FIT: transitions(draws[FIT].batch, draws[FIT].steps, seed), HELD_OUT: transitions(
        draws[HELD_OUT].batch, draws[HELD_OUT].steps, seed + 1000
    )}  # fmt: skip


def transitions(batch: int, steps: int, seed: int) -> Batch:
    """Transitions (batch, steps + 1) of a linear world, the last of which are cut off by an episode's end."""
    generator = torch.Generator().manual_seed(seed)
    action = torch.rand(batch, steps + 1, 2, generator=generator) * 2.0 - 1.0
    observed = [torch.randn(batch, 3, generator=generator)]
    for time in range(steps):
        observed.append(step(observed[-1], action[:, time]))
    values = torch.stack(observed, 1)  # (B, T, 3)
    valid = torch.ones(batch, steps + 1, dtype=torch.bool)
    if steps > 1:
        valid[-2:, 2:] = False
        values[-2:, 2:] += 50.0
    zeros = torch.zeros(batch, steps + 1)
    drawn = {
        "observation.joints": values[..., :2],
        "observation.imu": values[..., 2:],
        "action": action,
        "prev_action": torch.cat([torch.zeros(batch, 1, 2), action[:, :-1]], 1),
        "valid": valid,
        "source": torch.zeros(batch, steps + 1, dtype=torch.uint8),
        "row": torch.arange(batch * (steps + 1)).view(batch, steps + 1),
    }
    drawn |= dict.fromkeys(("reward", "is_first", "is_last", "is_terminal"), zeros)
    return Batch.of({name: value.numpy() for name, value in drawn.items()}, torch.device("cpu"))


def step(values: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    """What the world does with values (..., 3) and actions (..., 2)."""
    pull = torch.stack([action[..., 0], action.sum(-1), -action[..., 1]], -1)
    return values + 0.1 * values.roll(1, -1) + 0.2 * pull
