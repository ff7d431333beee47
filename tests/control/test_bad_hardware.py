"""The guard on bad hardware: whatever drivers, drives, persons and policies do, no command is unsafe or unexplained."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.campaign.case import run_case
from benchmarks.campaign.plan import draw_plan

EXAMPLES = 25
KINDS = 3


@pytest.mark.parametrize("kind", range(KINDS), ids=["arm", "base", "joint"])
def test_every_command_is_safe_and_explained_and_every_observation_answered(kind: int) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
    @given(seed=st.integers(0, 2**20), number=st.integers(0, 2**20))
    def bad_hardware(seed: int, number: int) -> None:
        plan = draw_plan(seed, KINDS * number + kind)
        findings = run_case(plan)
        assert not findings, f"{plan}\n{findings}"

    bad_hardware()
