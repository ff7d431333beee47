"""The stop machine: its table, and that nothing leads to motion but what may."""

from hypothesis import given
from hypothesis import strategies as st

from robot_mbrl.control.stops import TRANSITIONS, Reason, StopEvent, StopMachine, StopState


def test_every_state_knows_every_event() -> None:
    assert set(TRANSITIONS) == set(StopState)
    assert all(set(row) == set(StopEvent) for row in TRANSITIONS.values())


def test_only_steady_actions_lead_to_motion() -> None:
    moving = [
        (state, event) for state, row in TRANSITIONS.items() for event, to in row.items() if to is StopState.MOVING
    ]
    assert {state for state, _ in moving} == {StopState.STOPPED, StopState.MOVING}
    assert [event for state, event in moving if state is StopState.STOPPED] == [StopEvent.STEADY]


def test_only_a_person_leaves_a_latched_stop_and_then_the_robot_is_disabled() -> None:
    row = TRANSITIONS[StopState.LATCHED]
    leaving = {event: to for event, to in row.items() if to is not StopState.LATCHED}
    assert leaving == {StopEvent.RELEASE: StopState.DISABLED, StopEvent.SHUTDOWN: StopState.ENDED}
    assert set(TRANSITIONS[StopState.ENDED].values()) == {StopState.ENDED}


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
