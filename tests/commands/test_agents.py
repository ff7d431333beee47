"""`robot-mbrl agents` lists what can be learned with."""

import json

import pytest
import torch

from robot_mbrl.agents.families import FAMILIES, make_agent
from robot_mbrl.agents.imagining_agent import ImaginingAgent
from robot_mbrl.cli import main
from robot_mbrl.commands.agents import describe
from robot_mbrl.config import load_agent, packaged
from robot_mbrl.specs import ActionSpec, Element, ObservationSpec, VectorSpec


def test_every_preset_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agents", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["preset"] for row in rows] == list(packaged("presets"))
    for row in rows:
        assert row["family"] in FAMILIES
        assert row["description"]
        sees = row["family"] != "mpc"
        assert row["parameters"]["image"] > 0 if sees else row["parameters"]["image"] is None
        assert row["parameters"]["vector"] > 0


def test_the_table_names_them_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agents"]) == 0
    shown = capsys.readouterr().out
    assert all(preset in shown for preset in packaged("presets"))


def test_parameters_are_those_of_an_agent_that_learns_without_its_slow_critic() -> None:
    values = VectorSpec(elements=tuple(Element(name=f"v{index}") for index in range(24)))
    action = ActionSpec(names=tuple("abcdef"))
    observation = ObservationSpec(vectors={"v": values})
    agent = make_agent(observation, action, load_agent("dreamer-cpu"), torch.device("cpu"), 0)
    assert isinstance(agent, ImaginingAgent)
    numbers = {name: p.numel() for name, p in agent.networks.named_parameters()}
    learned = sum(count for name, count in numbers.items() if not name.startswith("slow_critic"))
    assert learned < sum(numbers.values())
    (row,) = (row for row in describe() if row["preset"] == "dreamer-cpu")
    assert row["parameters"]["vector"] == learned
