"""The train ratio: updates in proportion to what was lived."""

from robot_mbrl.learning.schedule import TrainRatio


def test_updates_are_due_at_the_ratio_of_replayed_to_lived_steps() -> None:
    schedule = TrainRatio(ratio=16.0, first_updates=0, most_due=100)
    for _ in range(7):
        schedule.lived(32, is_last=False)
    assert schedule.due == 3
    schedule.updated()
    assert schedule.due == 2


def test_the_first_updates_are_due_once_however_often_it_begins() -> None:
    schedule = TrainRatio(ratio=1.0, first_updates=5, most_due=100)
    schedule.begin()
    schedule.begin()
    assert schedule.due == 5


def test_what_is_due_is_bounded_but_for_the_first_updates() -> None:
    schedule = TrainRatio(ratio=1000.0, first_updates=20, most_due=7)
    schedule.begin()
    schedule.lived(1, is_last=False)
    assert schedule.due == 20


def test_an_agent_that_replays_nothing_is_due_an_update_for_each_step_of_the_ratio() -> None:
    schedule = TrainRatio(ratio=2.0, first_updates=0, most_due=100)
    schedule.lived(0, is_last=False)
    assert schedule.due == 2


def test_it_goes_on_where_it_was_saved() -> None:
    schedule, resumed = (TrainRatio(ratio=0.4, first_updates=0, most_due=9) for _ in range(2))
    for _ in range(4):
        schedule.lived(1, is_last=False)
    resumed.load_state_dict(schedule.state_dict())
    for one in (schedule, resumed):
        one.lived(1, is_last=False)
    assert schedule.due == resumed.due == 2
