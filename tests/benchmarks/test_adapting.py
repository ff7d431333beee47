"""`benchmarks.adapting`: one life before and after its dynamics are changed, and what its line says of it."""

import json
from pathlib import Path

import pytest

from benchmarks import adapting, report


def verdict(steps: int, solved: int) -> adapting.Verdict:
    return {"environment_steps": steps, "solved": solved, "episodes": 10, "mean_return": 10.0 * solved}


@pytest.mark.parametrize(
    ("at_once", "later", "again"), [(3, (5, 8, 7), "1000"), (3, (5, 7), "-"), (9, (2, 8), "never left"), (3, (), "-")]
)
def test_it_is_at_the_mark_again_once_eight_of_ten_are_solved(at_once: int, later: tuple[int, ...], again: str) -> None:
    verdicts = [verdict(500, 2), verdict(1000, 10), *(verdict(1000 + 500 * n, s) for n, s in enumerate(later, 1))]
    row = adapting.row("tiny", verdicts, {**verdict(0, at_once), "expert_return": None}, before=1000)
    assert (row["before"], row["at once"]) == ("100.0, 10 of 10", f"{10.0 * at_once:.1f}, {at_once} of 10")
    assert row["at last"] == (f"{10.0 * later[-1]:.1f}, {later[-1]} of 10" if later else "-")
    assert (row["at the mark again after steps"], row["the expert there"]) == (again, "-")


@pytest.mark.slow
def test_a_life_goes_on_in_the_changed_world_and_is_not_lived_twice(
    tmp_path: Path, tiny_agent: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for module in (adapting, report):
        monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    words = ["pendulum", f"--agents={tiny_agent}", "--change=strength=0", "--before=200", "--after=200"]
    assert adapting.main([*words, "--judge-every=200"]) == 0
    folder = tmp_path / "results" / "adapting-pendulum-strength0"
    summary = json.loads((folder / "tiny-0" / "summary.json").read_text())
    assert [v["environment_steps"] for v in summary["verdicts"]] == [200, 400]
    # A pendulum that nothing drives does the same whoever wishes what.
    at_once = json.loads((folder / "tiny-0" / "changed.json").read_text())
    assert summary["verdicts"][1]["mean_return"] == pytest.approx(at_once["mean_return"])
    assert summary["verdicts"][0]["mean_return"] != pytest.approx(at_once["mean_return"], abs=1e-3)
    assert folder.with_suffix(".png").stat().st_size > 0
    capfd.readouterr()
    assert adapting.main([*words, "--judge-every=200"]) == 0
    assert "$ robot-mbrl" not in capfd.readouterr().err
