"""Every packaged task: its reward is highest where its goal is, and its files fit one another."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_mbrl.config import load_run, packaged
from robot_mbrl.tasks import TASKS
from robot_mbrl.tasks.cartpole_swingup import CartpoleSwingup
from robot_mbrl.tasks.pendulum_swingup import PendulumSwingup
from robot_mbrl.tasks.reach_target import ReachTarget, tip_distance_m

FINITE = st.floats(-100.0, 100.0)
ANGLE = st.floats(-10.0, 10.0)


def cartpole(angle=0.0, position=0.0, velocity=0.0):
    return {
        "cart_position": position,
        "pole_cos": math.cos(angle),
        "pole_sin": math.sin(angle),
        "pole_velocity": velocity,
    }


def reacher(shoulder, elbow, target_x, target_y):
    return {
        "shoulder_cos": math.cos(shoulder),
        "shoulder_sin": math.sin(shoulder),
        "elbow_cos": math.cos(elbow),
        "elbow_sin": math.sin(elbow),
        "target_x": target_x,
        "target_y": target_y,
    }


@pytest.mark.parametrize("name", packaged("tasks"))
def test_packaged_task_judges_with_values_that_its_robot_measures(name):
    config = load_run(name)
    measured = {element.name: 0.5 for vector in config.robot.vectors.values() for element in vector.elements}
    task = TASKS[config.task.task]()
    task.reset()
    assert math.isfinite(task.judge(measured).reward)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_judges_by_nothing_but_what_it_says_it_reads(name):
    task = TASKS[name]()
    assert math.isfinite(task.judge(dict.fromkeys(task.reads, 0.5)).reward)


@given(ANGLE, FINITE, FINITE)
def test_cartpole_reward_is_within_0_and_1_and_never_terminal(angle, position, velocity):
    judgement = CartpoleSwingup().judge(cartpole(angle, position, velocity))
    assert 0.0 <= judgement.reward <= 1.0
    assert not judgement.is_terminal


def test_cartpole_upright_centred_and_still_earns_all():
    assert CartpoleSwingup().judge(cartpole()).reward == pytest.approx(1.0)


def test_cartpole_hanging_earns_nothing():
    assert CartpoleSwingup().judge(cartpole(math.pi)).reward == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        (cartpole(0.5), cartpole(0.4)),
        (cartpole(0.1, position=1.0), cartpole(0.1, position=-0.5)),
        (cartpole(0.1, velocity=-3.0), cartpole(0.1, velocity=1.0)),
    ],
)
def test_cartpole_reward_grows_towards_the_goal_in_every_factor(worse, better):
    assert CartpoleSwingup().judge(worse).reward < CartpoleSwingup().judge(better).reward


def test_cartpole_succeeds_within_12_degrees():
    assert CartpoleSwingup().judge(cartpole(math.radians(11.9))).success
    assert CartpoleSwingup().judge(cartpole(math.radians(-11.9), position=2.0, velocity=4.0)).success
    assert not CartpoleSwingup().judge(cartpole(math.radians(12.1))).success


def test_pendulum_is_judged_by_angle_and_speed():
    task = PendulumSwingup()
    upright = task.judge({"angle_cos": 1.0, "angle_sin": 0.0, "angular_velocity": 0.0})
    whirling = task.judge({"angle_cos": 1.0, "angle_sin": 0.0, "angular_velocity": 8.0})
    hanging = task.judge({"angle_cos": -1.0, "angle_sin": 0.0, "angular_velocity": 0.0})
    assert upright.success
    assert not hanging.success
    assert upright.reward == pytest.approx(1.0)
    assert hanging.reward < whirling.reward < upright.reward


@pytest.mark.parametrize(
    ("shoulder", "elbow", "tip_x", "tip_y"),
    [(0.0, 0.0, 0.75, 0.0), (math.pi / 2, 0.0, 0.0, 0.75), (0.0, math.pi / 2, 0.4, 0.35)],
)
def test_reacher_knows_where_its_tip_is(shoulder, elbow, tip_x, tip_y):
    assert tip_distance_m(reacher(shoulder, elbow, tip_x, tip_y)) == pytest.approx(0.0, abs=1e-9)
    assert ReachTarget().judge(reacher(shoulder, elbow, tip_x, tip_y)).reward == pytest.approx(1.0)


def test_reacher_succeeds_within_5_cm():
    assert ReachTarget().judge(reacher(0.0, 0.0, 0.75, 0.049)).success
    assert not ReachTarget().judge(reacher(0.0, 0.0, 0.75, 0.051)).success
