"""The stop machine: its table, and that nothing leads to motion but what may."""

from hypothesis import given
from hypothesis import strategies as st

from robot_mbrl.control.stops import TRANSITIONS, Reason, StopEvent, StopMachine, StopState


def test_only_steady_actions_lead_to_motion() -> None:
    assert [key for key, to in TRANSITIONS.items() if to is StopState.MOVING] == [(StopState.STOPPED, StopEvent.STEADY)]


def test_only_a_person_leaves_a_latched_stop_and_then_the_robot_is_disabled() -> None:
    leaving = {event: to for (state, event), to in TRANSITIONS.items() if state is StopState.LATCHED}
    assert leaving == {StopEvent.RELEASE: StopState.DISABLED, StopEvent.SHUTDOWN: StopState.ENDED}
    assert not [event for state, event in TRANSITIONS if state is StopState.ENDED]


def test_every_state_but_the_last_is_left_by_a_fault_or_is_latched_and_by_the_end() -> None:
    for state in set(StopState) - {StopState.ENDED}:
        assert TRANSITIONS[state, StopEvent.SHUTDOWN] is StopState.ENDED
        if state is not StopState.LATCHED:
            assert TRANSITIONS[state, StopEvent.FAULT] is StopState.LATCHED


@given(
    st.lists(
        st.sampled_from(
            ["not_enabled", "trouble", "well", "rest", "latch", "release", "timely", "timely", "timely", "missed"]
        ),
        max_size=40,
    )
)
def test_a_moving_robot_has_had_enough_timely_actions_since_anything_was_amiss(acts: list[str]) -> None:
    machine, timely, latched = StopMachine(recover_steps=3), 0, False
    calls = {
        "not_enabled": machine.not_enabled,
        "trouble": lambda: machine.trouble(Reason.NO_ACTION),
        "well": lambda: machine.all_well(resting=False),
        "rest": lambda: machine.all_well(resting=True),
        "latch": lambda: machine.latch(Reason.NOT_FINITE),
        "release": machine.release,
        "timely": machine.timely,
        "missed": machine.missed,
    }
    for act in acts:
        was = machine.state
        calls[act]()
        if act in ("not_enabled", "trouble", "latch", "release", "missed"):
            timely = 0
        timely += act == "timely"
        latched = (latched or act == "latch") and act != "release"
        assert machine.latched == latched
        assert (machine.reason is None) == (machine.state is StopState.MOVING)
        if machine.state is StopState.MOVING and was is not StopState.MOVING:
            assert act == "timely"
            assert timely >= 3
