"""The benchmarks' own settings: they are run by hand, so what would keep one from starting is looked for here."""

import pytest

pytest.importorskip("torch")

from benchmarks.control_latency import RATES_HZ, make_run
from benchmarks.learner_update import peers_run


def test_the_peers_size_is_what_their_table_says() -> None:
    run = peers_run()
    assert len(run.observation_spec().element_names) == 24
    assert run.action_spec().size == 6


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_each_rate_is_a_run_that_can_be_made(rate_hz: float) -> None:
    assert make_run(rate_hz).robot.control_rate_hz == rate_hz
