"""DayDreamer's reward of the walking A1, against cases computed by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_mbrl.tasks.quadruped_walk import LEGS, QuadrupedWalk, forward_term, posture_terms

STANDING = {"hip": 0.0, "thigh": 0.869, "calf": -1.628}
ANGLE = st.floats(-math.pi, math.pi)
SPEED = st.floats(-2.0, 2.0)


def robot(roll=0.0, pitch=0.0, speed=(0.0, 0.0, 0.0), **angles):
    """Values of a robot whose legs are all alike."""
    values = {"roll": roll, "pitch": pitch}
    values |= dict(zip(("speed_forward", "speed_left", "speed_up"), speed, strict=True))
    return values | {f"{leg}_{part}": angle for leg in LEGS for part, angle in (STANDING | angles).items()}


def reward(**how):
    return QuadrupedWalk().judge(robot(**how)).reward


def test_walking_upright_at_three_decimetres_a_second_earns_all_14():
    assert reward(speed=(0.3, 0.0, 0.0)) == pytest.approx(14.0)
    assert reward(speed=(0.6, 0.0, 0.0)) == pytest.approx(14.0)


def test_standing_still_earns_9_and_lying_on_the_back_5():
    assert reward() == pytest.approx(9.0)
    assert reward(roll=math.pi) == pytest.approx(5.0)


def test_lying_on_the_side_opens_no_gate_whatever_the_legs_do():
    # Half upright, which is not above 0.7.
    assert reward(roll=math.pi / 2.0, speed=(0.3, 0.0, 0.0)) == pytest.approx(5.5)


@pytest.mark.parametrize(
    ("angles", "expected"),
    [
        # Half of the way to the end of the abduction's range on all legs: 1 - 0.5 closes the gate behind it.
        ({"hip": 0.787 / 2.0}, 5.0 + 1.0 + 0.5),
        ({"hip": 0.787 * 0.2}, 5.0 + 1.0 + 0.8 + 1.0 + 1.0),
        # The far end of the thigh's range is 2.796 rad from standing, the near one 1.864.
        ({"thigh": 0.869 + 2.796 / 4.0}, 5.0 + 1.0 + 1.0 + 0.75 + 1.0),
        ({"thigh": -0.995}, 5.0 + 1.0 + 1.0 + (1.0 - 1.864 / 2.796)),
        # The calf stands at the end of its range; a quarter and all of the way to the other.
        ({"calf": -1.628 - 1.051 / 4.0}, 5.0 + 1.0 + 1.0 + 1.0 + 0.75),
        ({"calf": -2.679}, 5.0 + 1.0 + 1.0 + 1.0),
        # Beyond the range of actions counts as its end.
        ({"calf": -0.92}, 5.0 + 1.0 + 1.0 + 1.0 + 1.0),
        ({"hip": -3.0}, 5.0 + 1.0 + 0.0),
    ],
)
def test_each_posture_term_is_a_share_of_its_range_and_opens_the_next_above_seven_tenths(angles, expected):
    assert reward(**angles) == pytest.approx(expected, abs=2e-3)


def test_a_posture_term_is_the_mean_of_the_four_legs():
    values = robot()
    values["FR_hip"] = 0.787
    assert posture_terms(values)[1] == pytest.approx(0.75)


def test_speed_counts_only_while_the_knees_are_as_in_standing():
    assert reward(speed=(0.3, 0.0, 0.0), calf=-1.628 - 1.051 * 0.29) == pytest.approx(13.71, abs=1e-2)
    assert reward(speed=(0.3, 0.0, 0.0), calf=-1.628 - 1.051 * 0.31) == pytest.approx(8.69, abs=1e-2)


@pytest.mark.parametrize(
    ("speed", "expected"),
    [
        ((0.15, 0.0, 0.0), 0.5),
        # Half of the motion leads ahead: 0.3 of sqrt(0.3^2 + 0.52^2) = 0.6.
        ((0.3, 0.5196, 0.0), 0.5),
        ((0.3, 0.0, -0.5196), 0.5),
        # Backwards earns no less than standing, as published.
        ((-0.3, 0.0, 0.0), 0.0),
        ((0.0, 0.0, 0.0), 0.0),
    ],
)
def test_forward_term_is_the_share_that_leads_ahead_times_the_share_of_the_speed(speed, expected):
    assert forward_term(robot(speed=speed)) == pytest.approx(expected, abs=1e-3)


@given(ANGLE, st.floats(-1.5, 1.5), ANGLE, st.tuples(SPEED, SPEED, SPEED))
def test_forward_term_is_the_velocity_along_the_noses_way_on_the_ground(roll, pitch, yaw, speed):
    """Against the rotation matrix: whichever way it faces, the heading is the first column without its height."""
    cr, sr, cp, sp, cy, sy = (f(a) for a in (roll, pitch, yaw) for f in (math.cos, math.sin))
    turn_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    turn_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    turn_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    turn = turn_z @ turn_y @ turn_x
    velocity = turn @ np.array(speed)
    ahead = float(velocity @ np.array([turn[0, 0], turn[1, 0], 0.0]))
    total = float(np.linalg.norm(velocity))
    expected = max(0.0, ahead) / total * min(ahead / 0.3, 1.0) if total > 0.0 else 0.0
    assert forward_term(robot(roll, pitch, speed)) == pytest.approx(expected, abs=1e-6)


@given(ANGLE, ANGLE, st.tuples(SPEED, SPEED, SPEED), st.floats(-4, 4), st.floats(-4, 4), st.floats(-4, 4))
def test_reward_is_from_5_to_14_and_never_terminal(roll, pitch, speed, hip, thigh, calf):
    judgement = QuadrupedWalk().judge(robot(roll, pitch, speed, hip=hip, thigh=thigh, calf=calf))
    assert 5.0 <= judgement.reward <= 14.0
    assert not judgement.is_terminal


def test_walking_at_a_fifth_of_a_metre_a_second_is_success_and_standing_is_none():
    assert QuadrupedWalk().judge(robot(speed=(0.2, 0.0, 0.0))).success
    assert not QuadrupedWalk().judge(robot()).success
