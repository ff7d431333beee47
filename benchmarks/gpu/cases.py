"""What is measured: runs of every family at a small size, and the published sizes, with experience drawn at random."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.learner_update import peers_run
from robot_mbrl.agents.agent import Agent
from robot_mbrl.agents.families import make_agent
from robot_mbrl.config import RunConfig, load_agent, load_run, packaged
from robot_mbrl.learning.learner import Learner
from robot_mbrl.steps import Action, Observation, Step, StepKey
from robot_mbrl.world_models.batch import Batch

SMALL: dict[str, Any] = {
    **{"deter": 32, "hidden": 32, "units": 32, "stoch": 4, "classes": 4, "blocks": 2, "layers": 1, "head_layers": 1},
    **{"cnn_depth": 4, "batch_size": 4, "batch_length": 8, "horizon": 3, "imagination_starts": 8, "bins": 41},
    **{"vector_layers": 1, "actor_layers": 1, "value_layers": 1, "warmup_updates": 0},
}
"""Settings of a size at which one update of any family takes a fraction of a second; each takes those that it has."""
CHOICES = [
    {"name": "ahead", "values": {f"joint_{joint}": 1.0 for joint in range(6)}},
    {"name": "back", "values": {f"joint_{joint}": -1.0 for joint in range(6)}},
]
STEPS_OF_TRANSITIONS = 256
"""Of experience for each transition of a batch: enough that some of them are held out."""
PLANS = ("mpc", "planet")
"""Families that plan, which takes continuous actions."""
PLANS_FOR = {"mpc": "reacher"}
"""Families that need a task with an objective, and one, whose values they see; all others live by random rewards."""
EPISODE_STEPS = 50
SEED = 0


@dataclass(frozen=True)
class Case:
    """A run that is measured, by a name for the tables."""

    name: str
    config: RunConfig

    def agent(self, device: torch.device) -> Agent:
        """A new agent: of the same weights each time, on whatever device."""
        config = self.config
        return make_agent(config.observation_spec(), config.action_spec(), config.agent, device, config.seed)

    @contextmanager
    def learner(self, device: torch.device) -> Iterator[Learner]:
        """A new learner with random experience."""
        agent = self.config.agent.model_copy(update={"device": str(device)})
        with tempfile.TemporaryDirectory() as folder:
            learner = Learner(self.config.model_copy(update={"agent": agent}), Path(folder))
            fill(learner)
            yield learner


def smoke_cases() -> list[Case]:
    """Every family with the actions and from the observations that it can take, all small."""
    presets: dict[str, str] = {}
    for preset in packaged("presets"):
        family = load_agent(preset).family
        if family not in presets or preset.endswith("-cpu"):
            presets[family] = preset
    return [
        case(preset, observed, discrete=discrete, changes=SMALL)
        for family, preset in presets.items()
        for observed in ("vectors", "pictures")
        if observed == "vectors" or family not in PLANS_FOR
        for discrete in ((False,) if family in PLANS else (False, True))
    ]


def speed_cases(*, small: bool) -> list[Case]:
    """The published size from pictures and from vectors, and the demo's; or the same agents, small."""
    changes: dict[str, Any] = SMALL if small else {}
    published = "dreamerv3-12m"
    wanted = [(published, "pictures"), (published, "vectors"), ("dreamer-cpu", "vectors")]
    cases = [case(preset, observed, changes=changes) for preset, observed in wanted]
    if not small:
        halved = case(published, "pictures", changes=changes | {"precision": "bfloat16"})
        cases.append(Case(f"{halved.name}, bfloat16", halved.config))
    return cases


def case(preset: str, observed: str, *, discrete: bool = False, changes: Mapping[str, Any] | None = None) -> Case:
    """A preset on a robot of six joints, seen by 24 values or by pictures of 64x64; or on the task of `PLANS_FOR`.

    Args:
        preset: the agent's.
        observed: vectors or pictures.
        discrete: whether it chooses one of two actions instead of moving six joints.
        changes: settings other than the preset's; those that its family does not have are left out.
    """
    agent = load_agent(preset)
    task = PLANS_FOR.get(agent.family)
    raw = (peers_run() if task is None else load_run(task)).model_dump(mode="json")
    settings = agent.model_dump(mode="json")
    raw["agent"] = settings | {name: value for name, value in (changes or {}).items() if name in settings}
    # Few rows are enough to draw from, and quicker to fill than what a life would need.
    steps = raw["agent"]["batch_size"] * raw["agent"].get("batch_length", STEPS_OF_TRANSITIONS)
    raw["agent"] |= {"replay_capacity": 2 * steps, "prefill_steps": steps}
    if task is None:
        raw["task"]["observe"] = ["camera" if observed == "pictures" else "sensors"]
    if discrete:
        raw["robot"]["choices"] = CHOICES
    kind = "discrete" if discrete else "continuous"
    return Case(f"{preset}, {observed}, {kind}", RunConfig.model_validate(raw))


def fill(learner: Learner) -> None:
    """Give a learner so many steps of random observations and actions that it can make updates."""
    rng = np.random.default_rng(SEED)
    observed, action = learner.config.observation_spec(), learner.config.action_spec()
    for index in range(learner.config.agent.fewest_steps):
        key = StepKey("session", (index + 1) * learner.step_ns)
        values = dict(zip(observed.element_names, rng.normal(size=len(observed.element_names)).tolist(), strict=True))
        pictures = {name: rng.integers(0, 256, spec.shape, spec.dtype) for name, spec in observed.images.items()}
        reward, is_first = float(rng.random()), index % EPISODE_STEPS == 0
        observation = Observation(key, values, pictures, reward=reward, is_first=is_first)
        learner.receive(Step(observation, Action(key, _random_action(rng, action.size, discrete=action.discrete))))


def draw(learner: Learner, device: torch.device) -> dict[str, Batch]:
    """What one update reads, on a device."""
    drawn = {name: draw.read(learner.replay, learner.rng) for name, draw in learner.agent.draws().items()}
    return {name: Batch.of(rows, device) for name, rows in drawn.items()}


def _random_action(rng: np.random.Generator, size: int, *, discrete: bool) -> np.ndarray:
    if discrete:
        chosen: np.ndarray = np.eye(size, dtype=np.float32)[rng.integers(size)]
        return chosen
    return rng.uniform(-1, 1, size).astype(np.float32)
