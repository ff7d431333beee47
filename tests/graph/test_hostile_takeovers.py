"""A minute of the benchmark in which a hostile person takes over a robot that learns: nothing breaks."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

from benchmarks import takeovers
from robot_mbrl.errors import RobotMbrlError
from tests.graph.tiny import TINY

LEARNS_SOON = {"agent.prefill_steps": 60, "agent.export_period_s": 1}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_minute_with_three_takeovers_breaks_nothing(tmp_path: Path) -> None:
    outcome = takeovers.measure(
        "reacher", tmp_path / "run", minutes=1.0, takeovers=3, seed=0, overrides=TINY | LEARNS_SOON
    )
    assert outcome.findings == []
    verdict = outcome.verdict
    assert verdict.takeovers >= 3
    assert verdict.sources["teleop"] > 50
    assert verdict.judged["person"] > 20
    assert verdict.updates > 0


def test_a_robot_whose_recording_cannot_be_judged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RobotMbrlError, match="a1-walk: the judge of a recording knows velocities"):
        takeovers.measure("a1-walk", tmp_path / "run", minutes=1.0, takeovers=3, seed=0)
