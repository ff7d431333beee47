"""`benchmarks.adapting`: one life before and after its dynamics are changed, and what its line says of it."""

import json
from pathlib import Path

import pytest

from benchmarks import adapting, report

AT_ONCE = {"mean_return": 20.0}


def verdicts(*returns: float) -> list[adapting.Verdict]:
    return [{"environment_steps": 500 * n, "mean_return": value} for n, value in enumerate(returns, 1)]


@pytest.mark.parametrize(
    ("returns", "recovered"),
    [
        ((50.0, 100.0, 30.0, 91.0, 93.0), "1500"),
        ((50.0, 100.0, 30.0, 95.0, 80.0), "1000"),
        ((50.0, 100.0, 30.0, 91.0), "-"),
        ((50.0, 20.0, 30.0, 95.0), "nothing lost"),
    ],
)
def test_it_has_recovered_once_nine_tenths_of_the_loss_are_made_up(returns: tuple[float, ...], recovered: str) -> None:
    row = adapting.row("tiny", verdicts(*returns), AT_ONCE, before=1000)
    assert (row["before"], row["at once"], row["at last"]) == (returns[1], 20.0, returns[-1])
    assert row["recovered after steps"] == recovered


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
