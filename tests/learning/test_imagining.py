"""What is imagined of the next second is the policy's own acting through the world model, and changes nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch

from robot_mbrl.agents.foreseeing import drawn_noise
from robot_mbrl.agents.imagining_agent import ImaginingAgent
from robot_mbrl.agents.mpc import MPC
from robot_mbrl.config import load_run
from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience.draws import read_sequences
from robot_mbrl.learning.imagining import CONTEXT, imagine
from robot_mbrl.learning.learner import Learner
from robot_mbrl.learning.live import LiveLearner
from robot_mbrl.learning.state_tree import split
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, Observation, Step, StepKey
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.state import State
from tests.graph.tiny import TINY

SMALL = {"deter": 16, "hidden": 16, "units": 16, "stoch": 4, "batch_size": 4, "batch_length": 8, "horizon": 3}
DREAMERS = ("dreamer-cpu", "dreamer-v1-cpu", "daydreamer-cpu", "dreamerv3-cpu")
PLANNERS = {
    "mpc-cpu": {"members": 2, "units": 16, "horizon": 8, "batch_size": 8, "held_out_size": 4},
    "planet-cpu": {"deter": 16, "units": 16, "batch_size": 4, "batch_length": 8, "candidates": 20},
}
STEPS = 700
SCHEDULE = {"agent.prefill_steps": 50, "agent.pretrain_updates": 1}


def learner(preset: str, folder: Path, task: str = "pendulum", updates: int = 2, **overrides: object) -> Learner:
    """One that has lived and learned a little."""
    sizes = {f"agent.{name}": value for name, value in PLANNERS.get(preset, SMALL).items()}
    if preset == "dreamer-cpu":
        sizes["agent.imagination_starts"] = 4
    learns = Learner(load_run(task, {"task.agent": preset} | sizes | SCHEDULE | overrides, seed=3), folder)
    for index in range(STEPS):
        learns.receive(step(learns, index))
    for _ in range(updates):
        learns.update()
    return learns


def step(learns: Learner, index: int, source: Source = Source.POLICY, *, last: bool = False) -> Step:
    rng, config = np.random.default_rng(index), learns.config
    names = config.observation_spec().element_names
    key = StepKey("session", (index + 1) * learns.step_ns)
    values = dict(zip(names, rng.normal(size=len(names)).tolist(), strict=True))
    values |= {element.name: element.start for goal in config.task.goal.values() for element in goal.elements}
    images = {name: np.zeros(image.shape, np.uint8) for name, image in config.observation_spec().images.items()}
    reward = float(rng.normal())
    observation = Observation(key, values, images, reward=reward, is_first=index % 300 == 0, is_last=last)
    action = rng.uniform(-1, 1, config.action_spec().size).astype(np.float32)
    return Step(observation, Action(key, action, source, 1))


def context(learns: Learner) -> Batch:
    start = np.array([learns.replay.total - CONTEXT])
    return Batch.of(read_sequences(learns.replay, start, CONTEXT), learns.device)


@pytest.mark.parametrize("preset", [*DREAMERS, *PLANNERS])
def test_a_second_is_imagined_from_what_is_observed_now_and_learning_does_not_notice(
    tmp_path: Path, preset: str
) -> None:
    task = "pendulum-goal" if preset == "mpc-cpu" else "pendulum"
    watched, alone = (learner(preset, tmp_path / name, task) for name in ("watched", "alone"))
    imagined = imagine(watched, watched.replay.total - 1)
    config = watched.config
    newest = step(watched, STEPS - 1).observation
    assert imagined.key == newest.key
    assert imagined.names == config.observation_spec().element_names
    np.testing.assert_allclose(imagined.values[0], [newest.values[name] for name in imagined.names], rtol=1e-6)
    horizon = getattr(config.agent, "horizon", 20) if preset in PLANNERS else 20
    assert imagined.values.shape == (1 + min(20, horizon), 3)
    assert np.isfinite(imagined.values).all()
    np.testing.assert_array_equal(imagined.values, imagine(watched, watched.replay.total - 1).values)
    for one in (watched, alone):
        one.update()
    (_, tensors), (_, others) = (split(one.agent.state_dict()) for one in (watched, alone))
    assert all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())


def test_a_planner_is_expected_to_go_through_its_plan(tmp_path: Path) -> None:
    learns = learner("mpc-cpu", tmp_path, "pendulum-goal")
    agent, batch = learns.agent, context(learns)
    assert isinstance(agent, MPC)
    policy = agent.policy
    inputs = {f"observation.{name}": values[:, -1] for name, values in batch.observation.items()}
    inputs |= {f"goal.{name}": values[:, -1] for name, values in batch.goal.items()}
    inputs |= {f"noise.{name}": value for name, value in drawn_noise(policy.noise, learns.device, seed=0).items()}
    inputs |= {f"state.{name}": torch.zeros(1, *spec.shape) for name, spec in policy.state.items()}
    inputs |= {"prev_action": batch.prev_action[:, -1], "is_first": torch.ones(1), "explore": torch.zeros(1)}
    with torch.no_grad():
        first, state = policy.step(inputs)
    # What the policy does now, and what it keeps of its plan for later.
    plan = torch.cat([first, state["plan"][0, :-1]]).unsqueeze(0)  # (1, H, A)
    told = torch.cat([batch.prev_action, plan], 1)
    padded = {
        n: torch.cat([v, v.new_full((1, plan.shape[1], v.shape[2]), 9.0)], 1) for n, v in batch.observation.items()
    }
    foreseen = agent.foresee(batch._replace(observation=padded, prev_action=told), CONTEXT, seed=0)
    imagined = imagine(learns, learns.replay.total - 1)
    np.testing.assert_allclose(imagined.values[1:], foreseen["state"][0, CONTEXT:].numpy(), rtol=1e-4, atol=1e-4)


def test_a_dreamer_is_expected_to_do_what_its_policy_does(tmp_path: Path) -> None:
    learns = learner("dreamer-v1-cpu", tmp_path)
    agent, batch = learns.agent, context(learns)
    assert isinstance(agent, ImaginingAgent)
    policy, model, acting = agent.policy, agent.networks.model, agent.networks.acting
    noise = {f"noise.{name}": value for name, value in drawn_noise(acting.noise, learns.device, seed=0).items()}
    noise["noise.latent"] = torch.zeros(1, model.rssm.latent.stoch)
    state = {name: torch.zeros(1, *spec.shape) for name, spec in policy.state.items()}

    def acts(observed: dict[str, torch.Tensor], before: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
        nonlocal state
        inputs = {f"observation.{name}": value for name, value in observed.items()}
        inputs |= {"prev_action": before, "is_first": first, "explore": torch.zeros(1)}
        action, following = policy.step(inputs | noise | {f"state.{name}": value for name, value in state.items()})
        state = dict(following)
        return action

    with torch.no_grad():
        for time in range(CONTEXT):
            observed = {name: values[:, time] for name, values in batch.observation.items()}
            action = acts(observed, batch.prev_action[:, time], batch.is_first[:, time])
        # A Gaussian latent that is drawn without noise is its likeliest.
        place = State(state["deter"], state["latent"])
        place = model.rssm.imagine(place, action, torch.zeros(1, model.rssm.latent.stoch))
        vectors, _ = model.decoder(place)
    expected = model.encoder.observations(vectors, None)["state"]
    imagined = imagine(learns, learns.replay.total - 1)
    np.testing.assert_allclose(imagined.values[1], expected[0].numpy(), rtol=1e-4, atol=1e-5)


def test_nothing_is_imagined_of_what_cannot_be_placed_or_is_not_known_yet(tmp_path: Path) -> None:
    with pytest.raises(ExperienceError, match="nothing has been learned yet"):
        imagine(learner("dreamer-cpu", tmp_path / "new", updates=0), STEPS - 1)
    learns = learner("dreamer-cpu", tmp_path / "learned", updates=1)
    with pytest.raises(ExperienceError, match="has left the replay"):
        imagine(learns, STEPS)
    with torch.no_grad():
        for parameter in learns.agent.networks.model.decoder.parameters():
            parameter.fill_(torch.nan)
    with pytest.raises(ExperienceError, match="nothing finite"):
        imagine(learns, STEPS - 1)


def test_what_sees_pictures_alone_is_not_imagined_in_space(tmp_path: Path) -> None:
    config = load_run(
        "sphero-navigate", {"agent.cnn_depth": 1, "agent.replay_capacity": 100, "agent.prefill_steps": 50}
    )
    with pytest.raises(ExperienceError, match="nothing but pictures"):
        imagine(Learner(config, tmp_path), 0)


def test_only_a_robot_that_moves_now_is_imagined(tmp_path: Path) -> None:
    config = load_run("pendulum", TINY | SCHEDULE)
    live = LiveLearner(config, tmp_path, lambda text: None)
    with pytest.raises(ExperienceError, match="does not move"):
        live.imagine()
    for index in range(60):
        live.receive(step(live.learner, index))
    live.work(0.0)
    assert live.imagine().key == step(live.learner, 59).observation.key
    live.receive(step(live.learner, 60, Source.STOP))
    with pytest.raises(ExperienceError, match="does not move"):
        live.imagine()
    live.receive(step(live.learner, 61))
    assert live.imagine().key == step(live.learner, 61).observation.key
    live.receive(step(live.learner, 62, last=True))
    with pytest.raises(ExperienceError, match="does not move"):
        live.imagine()
