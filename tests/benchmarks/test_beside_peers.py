"""Two implementations are measured in turns, each in a process of its own."""

import sys

import pytest

pytest.importorskip("torch")

from benchmarks.beside_peers import Implementation, compare

_SERVED = """
import torch
from benchmarks.peers.stopwatch import serve
def update():
    print("a library says something, with", torch.get_num_threads(), "threads")
    sum(range({size}))
serve({{"name": "sums to {size}", "parameters": {size}}}, update)
"""


def _implementation(size: int) -> Implementation:
    return Implementation([sys.executable, "-c", _SERVED.format(size=size)])


def test_ratios_are_to_the_first_one_and_nothing_that_libraries_print_disturbs() -> None:
    with _implementation(1_000) as short, _implementation(10_000_000) as long:
        first, second = compare([short, long], threads=1, rounds=3)
    assert (first["implementation"], first["parameters"], first["times ours"]) == ("sums to 1000", 1000, 1.0)
    assert (second["implementation"], second["threads"], second["rounds"]) == ("sums to 10000000", 1, 3)
    assert second["times ours, processor"] > 10.0


def test_one_that_cannot_start_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="ended with status 3; it has said why above"):
        Implementation([sys.executable, "-c", "import sys; print('no such library', file=sys.stderr); sys.exit(3)"])
    assert "no such library" in capfd.readouterr().err
