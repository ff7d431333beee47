"""Published Dreamers, in their sizes for a CPU, learn a task in minutes on one core (docs/agents.md)."""

from pathlib import Path

import pytest

from robot_mbrl.cli import main
from robot_mbrl.runs.comparison import SOLVED
from robot_mbrl.runs.folder import RunFolder

MOST_STEPS, PIECE = 6000, 1000
"""Control steps that it may take, and after how many of them the frozen policy is judged."""
OF_THE_EXPERT = 0.8
RANDOM_RETURN = 26.0
"""What random actions earn, which the threshold is several times of."""


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("preset", ["daydreamer-cpu", "dreamerv3-cpu"])
def test_it_swings_a_pendulum_up_and_balances_it(preset: str, tmp_path: Path) -> None:
    folder = tmp_path / preset
    begin = ["pendulum", f"--agent={preset}", "--seed=1"]
    for steps in range(3 * PIECE, MOST_STEPS + 1, PIECE):
        go_on = ["--resume"] if folder.exists() else begin
        assert main(["train", *go_on, f"--run={folder}", f"--steps={steps}", "--quiet"]) == 0
        summary = RunFolder(folder).read_summary()
        verdict, expert = summary["evaluation"], summary["expert_return"]
        if verdict["solved"] >= SOLVED:
            break
    assert verdict["solved"] >= SOLVED
    assert verdict["mean_return"] > OF_THE_EXPERT * expert > 4.0 * RANDOM_RETURN
