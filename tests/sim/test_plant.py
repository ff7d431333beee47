"""The plant: joints whose motion is known in closed form, for any robot's YAML."""

import math
import time

import numpy as np
import pytest

from robot_mbrl.config import JOINT_STATE, load_run, packaged
from sim.errors import WorldError
from sim.faults import FaultyWorld, Wire, load_faults
from sim.plant import FRICTION, MASS, SPEED_RESERVE, Plant
from tests.control.robots import robot
from tests.sim.test_faults import EXAMPLE

PERIOD_S = 0.02


def driven(kind: str, command: float, duration_s: float) -> Plant:
    plant = Plant(robot(kind))
    plant.apply({"a": command})
    for _ in range(round(duration_s / PERIOD_S)):
        plant.advance(PERIOD_S)
    return plant


def test_a_position_drive_goes_there_as_fast_as_it_can_and_stays() -> None:
    plant = driven("position", 0.9, PERIOD_S)
    fastest = SPEED_RESERVE * robot("position").joints[0].max_rate
    assert plant.joints["a"].velocity == pytest.approx(fastest)
    assert driven("position", 0.9, 1.0).positions()["a"] == pytest.approx(0.9)


def test_a_velocity_drive_moves_by_its_command_and_an_effort_as_mass_and_friction_say() -> None:
    assert driven("velocity", 0.7, 1.0).positions()["a"] == pytest.approx(0.7)
    joint = driven("effort", 1.0, 1.0).joints["a"]
    decay = math.exp(-FRICTION / MASS)
    assert joint.velocity == pytest.approx((1.0 - decay) / FRICTION)
    assert joint.position == pytest.approx(1.0 / FRICTION - (1.0 - decay) * MASS / FRICTION**2)


def test_end_stops_hold_and_brakes_bring_to_rest() -> None:
    plant = driven("velocity", 2.0, 10.0)
    low, high = robot("velocity").joints[0].position_bounds or (0.0, 0.0)
    assert plant.positions()["a"] == pytest.approx(high + 0.25 * (high - low))
    plant = driven("effort", 5.0, 0.5)
    plant.brake()
    before = plant.positions()["a"]
    plant.advance(1.0)
    assert plant.positions()["a"] == before


def test_a_joint_without_end_takes_the_shorter_way() -> None:
    turning = robot("position").commands[0]
    first = turning.joints[0].model_copy(update={"continuous": True, "low": -4.0, "high": 4.0})
    command = turning.model_copy(update={"joints": (first, *turning.joints[1:])})
    plant = Plant(robot("position").model_copy(update={"commands": (command,)}))
    plant.joints["a"].position = 3.0
    plant.apply({"a": -3.0})
    plant.advance(0.05)
    assert plant.positions()["a"] > 3.0


@pytest.mark.parametrize("task", packaged("tasks"))
def test_every_packaged_robot_has_a_plant_that_says_what_it_is_observed_for(task: str) -> None:
    run = load_run(task)
    plant = Plant(run.robot)
    plant.reset(np.random.default_rng(0))
    # What is no JointState, `sim.devices` says.
    for _, source, element in run.robot.values():
        if run.robot.sources[source].type == JOINT_STATE:
            assert element.joint in plant.read(source).name
    for camera in run.robot.cameras.values():
        assert plant.read(camera.source, 32, 48).height == 32
    with pytest.raises(WorldError, match="no source"):
        plant.read("sonar")


def test_it_repeats_bit_for_bit_from_a_snapshot_and_refuses_what_it_cannot_do() -> None:
    plant = driven("effort", 1.0, 0.3)
    saved = plant.snapshot()
    plant.advance(0.1)
    after = plant.positions()
    plant.restore(saved)
    plant.advance(0.1)
    assert plant.positions() == after
    with pytest.raises(WorldError, match="nan"):
        plant.apply({"a": math.nan})


def test_with_all_the_faults_of_the_example_it_lives_through_2000_steps_a_second() -> None:
    faults = load_faults(EXAMPLE)
    world, wire = FaultyWorld(Plant(robot("position")), faults), Wire(faults)
    begin_s, steps = time.process_time(), 4000
    for step in range(steps):
        now_s = step * PERIOD_S
        wire.command({"a": 0.5, "b": 0.1}, now_s)
        for values in wire.commands(now_s):
            world.apply(values)
        world.advance(PERIOD_S)
        wire.send("joints", world.read("joints"), now_s)
        list(wire.deliveries(now_s))
    assert steps / (time.process_time() - begin_s) > 2000.0
