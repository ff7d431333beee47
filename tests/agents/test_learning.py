"""The published Dreamers, in their sizes for a CPU, learn a task in minutes on one core (docs/agents.md)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from robot_mbrl.cli import main
from robot_mbrl.runs.comparison import SOLVED
from robot_mbrl.runs.folder import RunFolder

PIECE = 1000
"""Control steps after which the frozen policy is judged, each time."""
RANDOM_RETURN = 26.0
"""What random actions earn: thresholds are several times of it."""


def verdicts(folder: Path, most_steps: int, *words: str) -> Iterator[tuple[dict[str, Any], float]]:
    """Learn the pendulum piece by piece; what the policy is worth after each, and the expert's return."""
    for steps in range(3 * PIECE, most_steps + 1, PIECE):
        what = ["--resume"] if folder.exists() else ["pendulum", *words]
        assert main(["train", *what, f"--run={folder}", f"--steps={steps}", "--quiet"]) == 0
        summary = RunFolder(folder).read_summary()
        yield summary["evaluation"], summary["expert_return"]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("preset", ["daydreamer-cpu", "dreamerv3-cpu"])
def test_it_swings_a_pendulum_up_and_balances_it(preset: str, tmp_path: Path) -> None:
    learned = verdicts(tmp_path / "run", 6000, f"--agent={preset}", "--seed=1")
    solved = next(((verdict, expert) for verdict, expert in learned if verdict["solved"] >= SOLVED), None)
    assert solved is not None
    verdict, expert = solved
    assert verdict["mean_return"] > 0.8 * expert > 4.0 * RANDOM_RETURN


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(3600)
def test_dreamer_v1_swings_a_pendulum_up_with_its_action_repeat_of_2(tmp_path: Path) -> None:
    learned = verdicts(tmp_path / "run", 14_000, "--agent=dreamer-v1-cpu", "--action-repeat=2", "--seed=0")
    solved = next(((verdict, expert) for verdict, expert in learned if verdict["solved"] >= SOLVED), None)
    assert solved is not None
    verdict, expert = solved
    # Its episodes are twice as long, and so is what random actions earn in one.
    assert verdict["mean_return"] > 0.8 * expert > 5.0 * RANDOM_RETURN
