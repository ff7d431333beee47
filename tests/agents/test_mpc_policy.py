"""The planning agent's policy: the graph that leaves the learner acts as torch does, by the goal of that very step."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor

from robot_mbrl.agent_configs import MPCConfig
from robot_mbrl.agents.families import make_agent
from robot_mbrl.agents.mpc import MPC
from robot_mbrl.agents.purpose import Purpose
from robot_mbrl.config import load_run
from robot_mbrl.control.bundle_file import Bundle, check_behaviour
from robot_mbrl.errors import BundleError
from robot_mbrl.learning.exporter import PolicyExporter
from robot_mbrl.planners import PLANNERS
from tests.agents.bundled import draw_inputs, in_torch
from tests.agents.planning import ACTION, GOAL, OBSERVATION, batches, planning_agent

STEPS = 100
KINDS: dict[str, dict[str, Any]] = {name: {"planner": name} for name in PLANNERS} | {
    "cem of a gaussian with a history": {"planner": "cem", "likelihood": "gaussian", "history": 3},
    "ilqr with a history": {"planner": "ilqr", "history": 2, "likelihood": "gaussian", "activation": "relu"},
    "mppi of coloured noise without a memory": {"planner": "mppi", "noise_colour": 2.0, "warm_start": False},
}


class _Config:
    """A run whose robot has the specifications a test wants."""

    def __init__(self) -> None:
        config = load_run("cartpole")
        self.robot, self.task, self.agent = config.robot, config.task, config.agent
        self.observation_spec, self.action_spec, self.goal_spec = lambda: OBSERVATION, lambda: ACTION, lambda: GOAL
        self.computed_spec = config.computed_spec
        self.members = config.members


def learned(**changes: Any) -> MPC:
    agent = planning_agent(**changes)
    for seed in range(30):
        agent.update(batches(agent, seed))
    return agent


def exported(agent: MPC) -> Bundle:
    exporter = PolicyExporter(agent.policy, _Config(), "run")  # type: ignore[arg-type]
    exporter.prepare()
    # Weights and statistics learned since the graph was traced must be the bundle's.
    for seed in range(30, 60):
        agent.update(batches(agent, seed))
    bundle = Bundle(exporter.export(1, updates=1), "policy")
    check_behaviour(bundle)
    return bundle


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[MPC, Bundle]]:
    agent = learned(**request.param)
    yield agent, exported(agent)


def test_a_bundle_agrees_with_torch_at_every_step(pair: tuple[MPC, Bundle]) -> None:
    agent, bundle = pair
    rng, chosen_otherwise = np.random.default_rng(0), 0
    for index in range(STEPS):
        draw_inputs(bundle, rng, first=index == 0)
        expected = in_torch(agent, bundle)
        bundle.run()
        assert expected.keys() == bundle.outputs.keys()
        assert bundle.decided
        differs = any(np.abs(bundle.outputs[name] - value).max() > 1e-3 for name, value in expected.items())
        # Of two plans that cost about the same, rounding may make the other the cheaper one.
        chosen_otherwise += differs
        assert np.abs(bundle.outputs["action"]).max() <= 1.0
        bundle.carry_state()
    assert chosen_otherwise <= 2


@pytest.mark.parametrize(
    ("task", "planner"),
    [("reacher-goal", "cem"), ("husky-pose", "es"), ("husky-goal", "random_shooting"), ("a1-goal", "mppi")],
)
def test_the_bundles_of_robots_that_move_about_agree_with_torch(task: str, planner: str) -> None:
    size = {"planner": planner, "horizon": 4, "candidates": 12, "elites": 4, "iterations": 2, "units": 16}
    config = load_run(task, {"task.agent": "mpc-cpu"} | {f"agent.{name}": value for name, value in size.items()})
    assert isinstance(config.agent, MPCConfig)
    spec, cpu = config.observation_spec(), torch.device("cpu")
    agent = make_agent(spec, config.action_spec(), config.agent, cpu, 0, Purpose.of(config))
    assert isinstance(agent, MPC)
    exporter = PolicyExporter(agent.policy, config, "run")
    bundle = Bundle(exporter.export(1, updates=1), "policy")
    rng, chosen_otherwise = np.random.default_rng(0), 0
    for index in range(20):
        draw_inputs(bundle, rng, first=index == 0)
        expected = in_torch(agent, bundle)["action"]
        bundle.run()
        chosen_otherwise += bool(np.abs(bundle.outputs["action"] - expected).max() > 1e-3)
        bundle.carry_state()
    # Of two plans that cost about the same, rounding may make the other the cheaper one.
    assert chosen_otherwise <= 1


def test_every_weight_of_the_policy_can_be_replaced(pair: tuple[MPC, Bundle]) -> None:
    agent, _ = pair
    model = onnx.load_from_string(PolicyExporter(agent.policy, _Config(), "run").export(2, updates=2))  # type: ignore[arg-type]
    weights = {name for name, value in agent.policy.named_parameters() if "variance" not in name}
    assert weights <= {initializer.name for initializer in model.graph.initializer}


@pytest.mark.parametrize("planner", ["cem", "ilqr"])
def test_loops_stay_loops_however_far_it_looks(planner: str) -> None:
    def count(graph: onnx.GraphProto) -> int:
        inner = sum(count(a.g) for node in graph.node for a in node.attribute if a.type == onnx.AttributeProto.GRAPH)
        return len(graph.node) + inner

    counts = []
    for horizon, rounds in ((4, 2), (9, 5)):
        agent = learned(planner=planner, horizon=horizon, iterations=rounds, corrections=rounds)
        exporter = PolicyExporter(agent.policy, _Config(), "run")  # type: ignore[arg-type]
        counts.append(count(onnx.load_from_string(exporter.export(1, updates=1)).graph))
    assert counts[0] == counts[1] < 1000


def test_a_goal_that_changes_between_two_steps_changes_the_very_next_action(pair: tuple[MPC, Bundle]) -> None:
    _, bundle = pair
    draw_inputs(bundle, np.random.default_rng(1), first=True)
    bundle.inputs["explore"][:] = 0.0
    actions = []
    for goal in (-3.0, 3.0, -3.0):
        bundle.inputs["goal.place"][:] = (goal, 0.0)
        bundle.run()
        actions.append(bundle.outputs["action"].copy())
    assert np.array_equal(actions[0], actions[2])
    assert np.abs(actions[1] - actions[0]).max() > 0.1


def test_where_nothing_finite_is_found_it_decides_on_no_action(pair: tuple[MPC, Bundle]) -> None:
    agent, bundle = pair
    draw_inputs(bundle, np.random.default_rng(2), first=True)
    bundle.inputs["goal.place"][:] = np.inf
    bundle.run()
    assert not bundle.decided
    assert all(np.isfinite(array).all() for array in bundle.outputs.values())
    assert in_torch(agent, bundle)["decided"] == 0.0
    bundle.carry_state()
    draw_inputs(bundle, np.random.default_rng(3))
    bundle.run()
    assert bundle.decided


def test_it_explores_when_told_to_and_not_otherwise() -> None:
    agent = learned(exploration=0.5)
    inputs: dict[str, Tensor] = {
        f"observation.{name}": torch.zeros(1, vector.size) for name, vector in OBSERVATION.vectors.items()
    }
    inputs |= {f"noise.{name}": torch.zeros(1, *spec.shape) for name, spec in agent.policy.noise.items()}
    inputs |= {f"state.{name}": torch.zeros(1, *spec.shape) for name, spec in agent.policy.state.items()}
    inputs |= {"prev_action": torch.zeros(1, 2), "is_first": torch.ones(1), "goal.place": torch.zeros(1, 2)}
    inputs["noise.exploration"] = torch.tensor([[0.4, -0.4]])
    with torch.no_grad():
        told, judged = (agent.policy.step(inputs | {"explore": torch.tensor([x])})[0] for x in (1.0, 0.0))
    torch.testing.assert_close(told - judged, torch.tensor([[0.2, -0.2]]))


def test_a_model_that_has_broken_down_is_not_exported() -> None:
    agent = learned()
    exporter = PolicyExporter(agent.policy, _Config(), "run")  # type: ignore[arg-type]
    with torch.no_grad():
        agent.model.network.biases[0].fill_(torch.nan)
    with pytest.raises(BundleError, match="version 1: the policy finds no action; learning has broken down"):
        exporter.export(1, updates=1)
