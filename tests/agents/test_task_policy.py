"""One policy for several tasks: surplus actions never matter, and each task's bundle is the whole policy behind it."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from robot_mbrl.agents.families import make_agent
from robot_mbrl.agents.planet import PlaNet
from robot_mbrl.agents.planet_policy import UsedActions
from robot_mbrl.agents.purpose import Purpose
from robot_mbrl.agents.task_policy import TaskPolicy
from robot_mbrl.control.bundle_file import Bundle, check_bundle
from robot_mbrl.learning.exporter import PolicyExporter
from robot_mbrl.several import load_several
from tests.agents.bundled import draw_inputs
from tests.agents.imagining import forgetful, remembered_batch
from tests.agents.planet import CONFIG

TASKS = "pendulum+reacher+cartpole"
SIZES = {"pendulum": 1, "reacher": 2, "cartpole": 1}
STEPS = 40
SMALL = {
    f"agent.{name}": CONFIG.model_dump()[name]
    for name in ("deter", "hidden", "stoch", "units", "horizon", "candidates", "iterations", "elites")
}
RUN = load_several(TASKS, SMALL)


def several_agent(planner: str = "cem", imagine: str = "likeliest") -> PlaNet:
    """An agent whose weights are all in use, and were learned from what means nothing."""
    settings = RUN.agent.model_copy(update={"planner": planner, "imagine": imagine})
    agent = make_agent(RUN.observation_spec(), RUN.action_spec(), settings, torch.device("cpu"), 0, Purpose.of(RUN))
    assert isinstance(agent, PlaNet)
    learn(agent, range(20))
    return agent


def learn(agent: PlaNet, seeds: range) -> None:
    for seed in seeds:
        agent.update({"sequences": forgetful(remembered_batch(RUN.action_spec(), RUN.observation_spec(), seed))})


def whole_inputs(agent: PlaNet, task: int, *, explore: float = 1.0) -> dict[str, Tensor]:
    """Inputs of a step of one task, in the middle of an episode, with something in every surplus element."""
    generator = torch.Generator().manual_seed(task)
    policy = agent.policy
    inputs = {f"noise.{name}": torch.randn(1, *spec.shape, generator=generator) for name, spec in policy.noise.items()}
    uniform = {f"noise.{name}" for name, spec in policy.noise.items() if spec.distribution == "uniform"}
    inputs |= {name: torch.rand(inputs[name].shape, generator=generator) for name in uniform}
    inputs |= {f"state.{k}": torch.randn(1, *spec.shape, generator=generator) for k, spec in policy.state.items()}
    values = RUN.observation_spec().vectors["values"].size
    inputs["observation.values"] = torch.randn(1, values, generator=generator)
    inputs["observation.task"] = torch.eye(len(RUN.members))[task : task + 1]
    inputs["prev_action"] = torch.rand(1, 2, generator=generator) * 2.0 - 1.0
    return inputs | {"is_first": torch.zeros(1), "explore": torch.full((1,), explore)}


def otherwise(name: str, value: Tensor) -> Tensor:
    """An input whose second element of every action is another one."""
    changed = value.clone()
    if name in ("prev_action", "noise.exploration", "state.plan"):
        changed[..., 1] = -0.7 * changed[..., 1] + 0.1
    if name == "noise.plans":
        changed[..., 1] = changed[..., 1].flip(-1)
    return changed


@pytest.mark.parametrize("planner", ["random_shooting", "cem", "mppi", "es", "ga"])
@pytest.mark.parametrize("imagine", ["drawn", "likeliest"])
def test_what_is_surplus_in_an_action_never_matters(planner: str, imagine: str) -> None:
    agent = several_agent(planner, imagine)
    for task in range(len(RUN.members)):
        inputs = whole_inputs(agent, task)
        changed = {name: otherwise(name, value) for name, value in inputs.items()}
        assert any(not torch.equal(changed[name], inputs[name]) for name in inputs)
        with torch.no_grad():
            (action, state), (other, other_state) = (agent.policy.step(each) for each in (inputs, changed))
        same = torch.equal(action, other) and torch.equal(state["deter"], other_state["deter"])
        assert same == (SIZES[RUN.members[task].task.name] == 1)
        assert bool(action[0, 0] != 0.0)
        assert bool((action[0, 1] == 0.0) == (SIZES[RUN.members[task].task.name] == 1))


def test_which_elements_are_used_is_yes_or_no_whatever_stands_for_the_task() -> None:
    uses = UsedActions((1, 2, 1), longest=2)
    for which, expected in (
        ((1.0, 0.0, 0.0), (1.0, 0.0)),
        ((0.0, 1.0, 0.0), (1.0, 1.0)),
        ((0.0, 0.0, 1.0), (1.0, 0.0)),
        ((0.9, 0.8, 0.7), (1.0, 1.0)),
        ((-0.9, -0.8, 0.1), (0.0, 0.0)),
    ):
        assert uses({"observation.task": torch.tensor([which])}).tolist() == [list(expected)]


def test_the_latents_know_the_task() -> None:
    agent = several_agent()
    one = whole_inputs(agent, 0, explore=0.0)
    other = {**one, "observation.task": torch.eye(len(RUN.members))[2:3]}
    with torch.no_grad():
        (_, state), (_, elsewhere) = agent.policy.step(one), agent.policy.step(other)
    assert not torch.equal(state["latent"], elsewhere["latent"])


def padded_by_hand(task: str, own: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the whole policy is told where one task's bundle is told this: its values among zeros, and which it is.

    In the run's order: three values of the pendulum, eight of the reacher, five of the cart-pole.
    """
    zeros = torch.zeros
    values = {
        "pendulum": lambda: [own["observation.state"], zeros(1, 13)],
        "reacher": lambda: [zeros(1, 3), own["observation.arm"], own["observation.target"], zeros(1, 5)],
        "cartpole": lambda: [zeros(1, 11), own["observation.positions"], own["observation.velocities"]],
    }[task]()
    before = own["prev_action"]
    return {
        **{name: value for name, value in own.items() if not name.startswith("observation.")},
        "observation.values": torch.cat(values, -1),
        "observation.task": torch.tensor([[float(task == name) for name in SIZES]]),
        "prev_action": before if SIZES[task] == 2 else torch.cat([before, zeros(1, 1)], -1),
    }


@pytest.mark.parametrize("index", range(3), ids=list(SIZES))
def test_a_tasks_bundle_agrees_with_the_whole_policy_at_every_step(index: int) -> None:
    agent, member = several_agent(), RUN.members[index]
    task = member.task.name
    exporter = PolicyExporter(TaskPolicy(agent.policy, RUN, task), member, "run")
    exporter.prepare()
    # Weights learned since the graph was traced must be the bundle's.
    learn(agent, range(20, 25))
    bundle = check_bundle(Bundle(exporter.export(1, updates=1), task), member)
    assert bundle.metadata.action.size == SIZES[task]
    rng, chosen_otherwise = np.random.default_rng(0), 0
    for step in range(STEPS):
        draw_inputs(bundle, rng, first=step == 0)
        own = {name: torch.from_numpy(array.copy()) for name, array in bundle.inputs.items()}
        with torch.no_grad():
            action, state = agent.policy.step(padded_by_hand(task, own))
        bundle.run()
        assert bundle.decided
        expected: dict[str, Any] = {name: value.numpy() for name, value in state.items()}
        np.testing.assert_allclose(bundle.outputs["next_state.deter"], expected["deter"], atol=1e-4)
        np.testing.assert_allclose(bundle.outputs["next_state.latent"], expected["latent"], atol=1e-4)
        # Of two plans that cost about the same, rounding may make the other the cheaper one.
        difference = np.abs(bundle.outputs["action"] - action[:, : SIZES[task]].numpy()).max()
        chosen_otherwise += bool(difference > 1e-3)
        bundle.carry_state()
    assert chosen_otherwise <= 2
