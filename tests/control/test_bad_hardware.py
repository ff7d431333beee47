"""The guard on bad hardware: whatever drivers, drives, persons and policies do, no command is unsafe or unexplained."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.campaign.case import run_case
from benchmarks.campaign.plan import draw_plan
from benchmarks.campaign.robots import KINDS, LEGS

EXAMPLES = 25


@pytest.mark.parametrize("kind", [*KINDS, LEGS])
def test_every_command_is_safe_and_explained_and_every_observation_answered(kind: str) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
    @given(seed=st.integers(0, 2**20), number=st.integers(0, 2**20))
    def bad_hardware(seed: int, number: int) -> None:
        turns = len(KINDS)
        plan = draw_plan(seed, number, LEGS) if kind == LEGS else draw_plan(seed, turns * number + KINDS.index(kind))
        findings = run_case(plan)
        assert not findings, f"{plan}\n{findings}"

    bad_hardware()
