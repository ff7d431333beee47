"""Two publishers of the same joint are told from one by the numbers of their messages."""

import random
from collections.abc import Iterator

import pytest

from robot_mbrl.control.writers import WINDOW_S, WriterWatch

PERIOD_S = 0.01
ARM, GRIPPER = ("shoulder", "elbow"), ("finger",)


def noted(*messages: tuple[tuple[str, ...], int]) -> WriterWatch:
    """A watch that was fed with these, one period apart."""
    watch = WriterWatch()
    for index, (names, number) in enumerate(messages):
        watch.note(names, number, index * PERIOD_S)
    return watch


@pytest.mark.parametrize("ahead", [0, 1, 7, 5000])
def test_two_publishers_of_the_same_joints_are_noticed_within_their_third_round(ahead: int) -> None:
    """However far the one has counted when the other begins."""
    watch = noted(*((ARM, number + offset) for number in range(1, 4) for offset in (ahead, 0)))
    assert watch.contradicted(6 * PERIOD_S) == ARM


def test_only_the_joint_that_both_report_is_named() -> None:
    watch = noted(*((names, number) for number in (1, 2, 3) for names in (("elbow", "wrist"), ARM)))
    assert watch.contradicted(5 * PERIOD_S) == ("elbow",)


def test_slow_publisher_beside_a_fast_one_is_noticed() -> None:
    """One zero a second among readings at 100 Hz."""
    watch, now_s = WriterWatch(), 0.0
    for number in range(1, 301):
        watch.note(ARM, number, now_s := number * PERIOD_S)
        if number % 100 == 50:
            watch.note(ARM, number // 100 + 1, now_s)
    assert watch.contradicted(now_s) == ARM


def test_arm_and_gripper_that_share_a_topic_do_not_contradict_one_another() -> None:
    assert noted(*((names, number) for number in range(1, 50) for names in (ARM, GRIPPER))).contradicted(1.0) == ()


@pytest.mark.parametrize("seed", range(50))
def test_one_publisher_is_never_taken_for_two(seed: int) -> None:
    """Whatever is lost on the way, and however often it starts again, heard from its first message or a later one."""
    rng = random.Random(seed)

    def numbers() -> Iterator[int]:
        for _ in range(20):
            first = rng.randrange(1, 30)
            yield from (number for number in range(first, first + rng.randrange(50, 300)) if rng.random() < 0.9)

    watch = WriterWatch()
    for index, number in enumerate(numbers()):
        now_s = index * PERIOD_S
        watch.note(ARM, number, now_s)
        assert watch.contradicted(now_s) == ()


def test_contradiction_is_named_until_one_of_the_two_has_been_silent_for_a_while() -> None:
    watch = noted(*((ARM, number) for pair in zip(range(1, 9), range(100, 108), strict=True) for number in pair))
    assert watch.contradicted(WINDOW_S) == ARM
    for tick in range(round(2 * WINDOW_S / PERIOD_S)):
        watch.note(ARM, 108 + tick, tick * PERIOD_S)
    assert watch.contradicted(2 * WINDOW_S) == ()


def test_nothing_is_noticed_where_the_middleware_numbers_nothing() -> None:
    watch = WriterWatch()
    for tick in range(10):
        watch.note(ARM, None, tick * PERIOD_S)
    assert watch.contradicted(0.1) == ()
