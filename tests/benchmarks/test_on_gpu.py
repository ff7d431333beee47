"""The benchmark that is kept for whoever has a GPU runs on a CPU, at a small size, and says what it skipped."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import on_gpu
from benchmarks.gpu.cases import case
from benchmarks.gpu.counting import counted
from benchmarks.gpu.parity import SameDraws
from robot_mbrl.agents.families import FAMILIES
from robot_mbrl.config import load_agent


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("out")
    assert on_gpu.main(["--device=cpu", f"--out={folder}"]) == 0
    content: dict[str, Any] = json.loads((folder / "on_gpu.json").read_text())
    return content


def test_every_family_makes_an_update_of_every_kind_without_a_read_by_the_host(found: dict[str, Any]) -> None:
    families = Counter(load_agent(row["case"].partition(",")[0]).family for row in found["parity"])
    # Those that plan take no choices, and one of them no pictures.
    assert families == dict.fromkeys(FAMILIES, 4) | {"planet": 2, "mpc": 1}
    for row in found["parity"]:
        assert row["finite"], row
        assert row["host reads"] == 0, row


def test_rates_of_updates_and_of_steps_are_there(found: dict[str, Any]) -> None:
    assert len(found["updates"]) == 3
    assert found["policies"]
    for row in found["updates"]:
        assert row["eager"]["updates/s, batch on the device"] > 0
        assert row["profile"]["operators"] > 100
        assert row["profile"]["host reads"] == 0
    for row in found["policies"]:
        assert row["step"]["cpu"]["canary"]
        assert row["step"]["cpu"]["p50 ms"] > 0


def test_what_a_cpu_cannot_show_is_skipped_with_a_reason(found: dict[str, Any]) -> None:
    assert all(row["parity"].startswith("skipped: ") for row in found["parity"])
    assert all("no CUDA graphs on the device cpu" in row["captured"]["skipped"] for row in found["updates"])
    assert found["machine"]["gpu"] == "no GPU"
    if not torch.cuda.is_available():
        assert all("provider cuda" in row["step"]["cuda"]["skipped"] for row in found["policies"])


def test_a_case_that_fails_is_reported_and_keeps_no_other_from_being_measured(tmp_path: Path) -> None:
    report = on_gpu.Report(tmp_path / "on_gpu.json", torch.device("cpu"))
    cases = [case("dreamer-cpu", "vectors"), case("dreamer-cpu", "pictures")]

    def measure(of: Any) -> dict[str, Any]:
        if of is cases[0]:
            raise RuntimeError("no kernel image is available")
        return {"case": of.name}

    report.part("updates", cases, measure)
    assert report.failed
    failed, measured = json.loads((tmp_path / "on_gpu.json").read_text())["updates"]
    assert "no kernel image" in failed["error"]
    assert "error" not in measured


def test_random_numbers_are_the_same_whatever_the_generator() -> None:
    drawn = []
    for seed in (1, 2):
        with SameDraws():
            drawn.append(torch.rand(3, 2, generator=torch.Generator().manual_seed(seed), device="cpu"))
    assert torch.equal(*drawn)


def test_reads_by_the_host_are_counted() -> None:
    x = torch.arange(3.0)
    assert counted(lambda: x.sum() * 2).reads == 0
    assert counted(lambda: x.sum() * 2).operators == 2
    assert counted(lambda: float(x.sum())).reads == 1
    assert counted(lambda: x + torch.tensor([1.0, 2.0, 3.0])).reads == 1
