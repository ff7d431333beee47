"""PlaNet's policy: the graph that leaves the learner plans as torch does, for rewards or for a goal that is told."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from robot_mbrl.agents.latent_lookahead import LatentLookahead
from robot_mbrl.agents.planet import PlaNet
from robot_mbrl.config import load_run
from robot_mbrl.control.bundle_file import Bundle, check_behaviour
from robot_mbrl.errors import BundleError
from robot_mbrl.learning.exporter import PolicyExporter
from robot_mbrl.specs import ObservationSpec
from robot_mbrl.world_models.state import State
from tests.agents.bundled import draw_inputs, in_torch
from tests.agents.imagining import PICTURES, forgetful, remembered_batch
from tests.agents.planet import CONFIG, planet_agent
from tests.agents.planning import GOAL
from tests.agents.settings import CONTINUOUS, OBSERVATION

STEPS = 60
KINDS: dict[str, dict[str, Any]] = {
    "cem": {},
    "cem for an objective": {"plan_for": "objective"},
    "mppi that goes on with its plan": {"planner": "mppi", "warm_start": True, "noise_colour": 2.0},
    "es of the likeliest": {"planner": "es", "imagine": "likeliest"},
    "ga": {"planner": "ga"},
    "random shooting": {"planner": "random_shooting"},
    "cem from pictures": {"observation": PICTURES},
}


class _Config:
    """A run whose robot has the specifications a test wants."""

    def __init__(self, agent: PlaNet) -> None:
        config = load_run("cartpole")
        self.robot, self.task, self.agent = config.robot, config.task, config.agent
        self.observation_spec, self.action_spec = lambda: agent.policy.observation, lambda: CONTINUOUS
        self.goal_spec, self.computed_spec = lambda: agent.policy.goal, config.computed_spec
        self.members = config.members


def learn(agent: PlaNet, seeds: range) -> None:
    for seed in seeds:
        agent.update({"sequences": forgetful(remembered_batch(CONTINUOUS, agent.policy.observation, seed))})


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[PlaNet, Bundle]]:
    changes = {"observation": OBSERVATION, **request.param}
    observation: ObservationSpec = changes.pop("observation")
    agent = planet_agent(observation, **changes)
    exporter = PolicyExporter(agent.policy, _Config(agent), "run")  # type: ignore[arg-type]
    exporter.prepare()
    # Weights learned since the graph was traced must be the bundle's.
    learn(agent, range(5))
    bundle = Bundle(exporter.export(1, updates=1), "policy")
    check_behaviour(bundle)
    yield agent, bundle


def test_a_bundle_agrees_with_torch_at_every_step_and_carries_the_latents(pair: tuple[PlaNet, Bundle]) -> None:
    agent, bundle = pair
    rng, chosen_otherwise = np.random.default_rng(0), 0
    assert {"state.deter", "state.latent"} <= bundle.inputs.keys()
    for index in range(STEPS):
        draw_inputs(bundle, rng, first=index == 0)
        expected = in_torch(agent, bundle)
        bundle.run()
        assert expected.keys() == bundle.outputs.keys()
        assert bundle.decided
        np.testing.assert_allclose(bundle.outputs["next_state.deter"], expected["next_state.deter"], atol=1e-4)
        np.testing.assert_allclose(bundle.outputs["next_state.latent"], expected["next_state.latent"], atol=1e-4)
        # Of two plans that cost about the same, rounding may make the other the cheaper one.
        chosen_otherwise += bool(np.abs(bundle.outputs["action"] - expected["action"]).max() > 1e-3)
        assert np.abs(bundle.outputs["action"]).max() <= 1.0
        bundle.carry_state()
    assert chosen_otherwise <= 2


def test_a_plan_costs_what_its_states_earn_imagined_one_after_the_other() -> None:
    agent = planet_agent()
    model, horizon = agent.model, CONFIG.horizon
    plans, noise = torch.rand(7, horizon, 2) * 2.0 - 1.0, torch.randn(horizon, 5, CONFIG.stoch)
    start = State(torch.randn(1, CONFIG.deter), torch.randn(1, CONFIG.stoch))
    world = LatentLookahead(model.rssm, lambda states, _: -model.reward.mean(*states[:2]), start, noise)
    with torch.no_grad():
        costs = world.costs(plans)
        for index, (plan, cost) in enumerate(zip(plans, costs, strict=True)):
            state, earned = start, torch.zeros(1)
            for action, drawn in zip(plan, noise[:, index % 5], strict=True):
                state = model.rssm.imagine(state, action.unsqueeze(0), drawn.unsqueeze(0))
                earned = earned + model.reward.mean(state.deter, state.latent)
            torch.testing.assert_close(cost, -earned[0])


def test_its_plan_is_that_of_the_cross_entropy_method_written_out() -> None:
    """As published: clipped draws around a mean, refitted to the elites, and the first mean is executed."""
    agent = planet_agent(iterations=4, candidates=16, elites=5)
    policy = agent.policy
    generator = torch.Generator().manual_seed(4)
    inputs = {
        f"observation.{name}": torch.randn(1, v.size, generator=generator) for name, v in OBSERVATION.vectors.items()
    }
    inputs |= {f"noise.{k}": torch.randn(1, *spec.shape, generator=generator) for k, spec in policy.noise.items()}
    inputs |= {f"state.{k}": torch.randn(1, *spec.shape, generator=generator) for k, spec in policy.state.items()}
    inputs |= {"prev_action": torch.rand(1, 2), "is_first": torch.zeros(1), "explore": torch.zeros(1)}
    model, rssm = agent.model, agent.model.rssm
    with torch.no_grad():
        action, state = policy.step(inputs)
        seen = {name: inputs[f"observation.{name}"].unsqueeze(1) for name in OBSERVATION.vectors}
        embedding = model.encoder(*model.encoder.targets(seen))
        before = State(inputs["state.deter"], inputs["state.latent"])
        found, posterior, _ = rssm.observe(
            embedding, inputs["prev_action"].unsqueeze(1), torch.zeros(1, 1), before, torch.zeros(1, 1, CONFIG.stoch)
        )
        torch.testing.assert_close(state["deter"], found.deter[:, 0])
        torch.testing.assert_close(state["latent"], posterior[:, 0, :, 0])  # judged, it takes the mean
        mean, deviation = torch.zeros(5, 2), torch.ones(5, 2)
        start = State(found.deter[:, 0], posterior[:, 0, :, 0])
        for draws in inputs["noise.plans"][0]:
            plans = (mean + deviation * draws).clamp(-1.0, 1.0)
            returns = []
            for plan, luck in zip(plans, inputs["noise.imagined"][0].unbind(1), strict=True):
                there, earned = start, 0.0
                for each, drawn in zip(plan, luck, strict=True):
                    there = rssm.imagine(there, each.unsqueeze(0), drawn.unsqueeze(0))
                    earned += float(model.reward.mean(there.deter, there.latent))
                returns.append(earned)
            best = plans[torch.tensor(returns).argsort(descending=True)[:5]]
            mean, deviation = best.mean(0), (best.var(0, correction=0) + 1e-6).sqrt()
    torch.testing.assert_close(action, mean[:1], atol=2e-3, rtol=0.0)


def test_it_explores_with_noise_of_the_published_size_and_not_where_it_is_judged() -> None:
    agent = planet_agent()
    inputs = {f"observation.{name}": torch.zeros(1, vector.size) for name, vector in OBSERVATION.vectors.items()}
    inputs |= {f"noise.{name}": torch.zeros(1, *spec.shape) for name, spec in agent.policy.noise.items()}
    inputs |= {f"state.{name}": torch.zeros(1, *spec.shape) for name, spec in agent.policy.state.items()}
    inputs |= {"prev_action": torch.zeros(1, 2), "is_first": torch.ones(1)}
    inputs["noise.exploration"] = torch.tensor([[1.0, -1.0]])
    with torch.no_grad():
        told, judged = (agent.policy.step(inputs | {"explore": torch.tensor([x])})[0] for x in (1.0, 0.0))
    torch.testing.assert_close(told - judged, torch.tensor([[0.3, -0.3]]))


def test_a_told_goal_changes_the_very_next_action_of_an_agent_that_plans_for_it(pair: tuple[PlaNet, Bundle]) -> None:
    agent, bundle = pair
    if not agent.policy.goal:
        assert not any(name.startswith("goal.") for name in bundle.inputs)
        return
    assert agent.policy.goal == GOAL
    draw_inputs(bundle, np.random.default_rng(1), first=True)
    bundle.inputs["explore"][:] = 0.0
    actions = []
    for goal in (-3.0, 3.0, -3.0):
        bundle.inputs["goal.place"][:] = (goal, 0.0)
        bundle.run()
        actions.append(bundle.outputs["action"].copy())
    assert np.array_equal(actions[0], actions[2])
    assert np.abs(actions[1] - actions[0]).max() > 0.05
    bundle.inputs["goal.place"][:] = np.inf
    bundle.run()
    assert not bundle.decided
    assert all(np.isfinite(array).all() for array in bundle.outputs.values())


def test_loops_stay_loops_however_far_it_looks() -> None:
    def count(graph: onnx.GraphProto) -> int:
        inner = sum(count(a.g) for node in graph.node for a in node.attribute if a.type == onnx.AttributeProto.GRAPH)
        return len(graph.node) + inner

    counts = []
    for horizon, iterations in ((4, 2), (9, 5)):
        agent = planet_agent(horizon=horizon, iterations=iterations)
        exporter = PolicyExporter(agent.policy, _Config(agent), "run")  # type: ignore[arg-type]
        counts.append(count(onnx.load_from_string(exporter.export(1, updates=1)).graph))
    assert counts[0] == counts[1] < 500


def test_a_model_that_has_broken_down_is_not_exported() -> None:
    agent = planet_agent()
    with torch.no_grad():
        agent.model.reward.network.outputs.layers[0].bias.fill_(torch.nan)
    exporter = PolicyExporter(agent.policy, _Config(agent), "run")  # type: ignore[arg-type]
    with pytest.raises(BundleError, match="the policy finds no action; learning has broken down"):
        exporter.export(1, updates=1)
