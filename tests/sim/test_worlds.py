"""The simulated worlds: they repeat bit for bit, keep to their limits and come to rest when braked."""

import math
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from robot_mbrl.config import load_run, packaged
from sim.errors import WorldError
from sim.fitting import make_robots_world
from sim.starts import start_rng
from sim.worlds import WORLDS, make_world
from sim.worlds.bullet import URDF_FOLDER
from sim.worlds.world import ImageReading, InertialReading, JointReading, OdometryReading, PoseReading, ScanReading

PERIOD_S = 0.05
READ_AS = {
    "sensor_msgs/msg/JointState": JointReading,
    "sensor_msgs/msg/Image": ImageReading,
    "sensor_msgs/msg/Imu": InertialReading,
    "sensor_msgs/msg/LaserScan": ScanReading,
    "nav_msgs/msg/Odometry": OdometryReading,
    "geometry_msgs/msg/PoseStamped": PoseReading,
}
"""What a world says in the place of each message."""


@pytest.fixture(params=sorted(WORLDS))
def world(request):
    world = make_world(request.param)
    world.reset(start_rng(0, 0))
    yield world
    world.close()


@pytest.fixture
def cartpole():
    world = make_world("cartpole")
    world.reset(start_rng(0, 0))
    yield world
    world.close()


def drives(world):
    """Names of the driven joints."""
    return list(world.kinds())


def state(world):
    """Everything that the joints' encoders say, and where a robot is that moves about, as bytes."""
    reading = world.read("joints")
    poses = [number for place, turn in world.poses().values() for number in (*place, *turn)]
    return np.array([*reading.position, *reading.velocity, *poses]).tobytes()


def live(world, seed, periods=40):
    """Random commands, with a brake in between; the states passed through."""
    rng = np.random.default_rng(seed)
    states = []
    for period in range(periods):
        if period % 10 == 7:
            world.brake()
        else:
            world.apply({name: rng.uniform(-3.0, 3.0) for name in drives(world)})
        world.advance(PERIOD_S)
        states.append(state(world))
    return states


def test_same_seed_and_commands_give_the_same_bits(world):
    first = live(world, seed=1)
    world.reset(start_rng(0, 0))
    assert live(world, seed=1) == first


def test_another_process_gives_the_same_bits(world, request):
    name = request.node.callspec.params["world"]
    script = (
        "import hashlib; from tests.sim.test_worlds import live; from sim.worlds import make_world;"
        "from sim.starts import start_rng;"
        f"world = make_world({name!r}); world.reset(start_rng(0, 0));"
        "print(hashlib.sha256(b''.join(live(world, 1))).hexdigest())"
    )
    runs = [subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True) for _ in "12"]
    assert runs[0].stdout == runs[1].stdout
    assert len(runs[0].stdout.strip()) == 64, "PyBullet's own greetings must not reach the standard output"
    assert runs[0].stderr == ""


def test_an_episode_does_not_depend_on_the_one_before(world):
    world.reset(start_rng(0, 5))
    fresh = live(world, seed=2)
    live(world, seed=3)
    world.reset(start_rng(0, 5))
    assert live(world, seed=2) == fresh


@pytest.mark.parametrize("period_s", [0.02, 0.05])
def test_an_episode_does_not_depend_on_one_that_touched_the_ground_in_the_same_places(world, period_s):
    def briefly(start):
        world.reset(start_rng(0, start))
        world.advance(period_s)
        return state(world)

    for start in range(30):
        assert len({briefly(start) for _ in range(4)}) == 1


def test_restoring_a_snapshot_repeats_what_followed_it(world):
    live(world, seed=4, periods=9)
    snapshot = world.snapshot()
    first = live(world, seed=5)
    live(world, seed=6)
    world.restore(snapshot)
    assert live(world, seed=5) == first


@pytest.mark.parametrize("urdf", sorted(path.name for path in URDF_FOLDER.glob("*.urdf")))
def test_no_link_has_two_shapes_to_touch_with(urdf):
    # Of a link of several, PyBullet restores the contacts of one: what follows a snapshot would not repeat.
    links = ElementTree.parse(URDF_FOLDER / urdf).getroot().iter("link")
    assert [link.get("name") for link in links if len(link.findall("collision")) > 1] == []


@pytest.mark.parametrize("braked", [False, True])
def test_a_snapshot_remembers_what_the_drives_were_told(cartpole, braked):
    cartpole.apply({"slider": 7.0})
    cartpole.advance(PERIOD_S)
    if braked:
        cartpole.brake()
    snapshot = cartpole.snapshot()
    cartpole.advance(0.5)
    first = state(cartpole)
    cartpole.apply({"slider": -3.0})
    cartpole.advance(0.5)
    cartpole.restore(snapshot)
    cartpole.advance(0.5)
    assert state(cartpole) == first


def test_starts_are_drawn_at_rest(world):
    starts = []
    for episode in range(5):
        world.reset(start_rng(0, episode))
        starts.append(state(world))
        assert not any(world.read("joints").velocity)
    assert len(set(starts)) == 5


def test_a_reset_equals_a_fresh_load(world, request):
    live(world, seed=3)
    world.reset(start_rng(0, 4))
    fresh = make_world(request.node.callspec.params["world"])
    fresh.reset(start_rng(0, 4))
    assert state(fresh) == state(world)
    assert live(fresh, seed=8) == live(world, seed=8)
    fresh.close()


def test_cartpole_starts_around_hanging(cartpole):
    for episode in range(30):
        cartpole.reset(start_rng(7, episode))
        position, angle = cartpole.read("joints").position
        assert abs(position) <= 0.5
        assert abs(angle - math.pi) <= 0.3


def test_hanging_pole_swings_with_a_rods_period(cartpole):
    # With the cart held: 2 pi sqrt(J / (m g l)), J = 4/3 m l^2.
    expected_s = 2.0 * math.pi * math.sqrt(4.0 / 3.0 * 0.5 / 9.81)
    cartpole.brake()
    crossings, previous = [], None
    for tick in range(1000):
        cartpole.advance(0.01)
        offset = cartpole.read("joints").position[1] - math.pi
        if previous is not None and previous < 0.0 <= offset:
            crossings.append(tick * 0.01)
        previous = offset
    assert np.diff(crossings).mean() == pytest.approx(expected_s, rel=0.02)


def test_force_accelerates_the_whole_mass_of_a_cartpole_that_hangs_still(cartpole):
    cartpole.apply({"slider": 10.0})
    cartpole.advance(0.02)
    # A free pole takes part with less than its mass: between that of the cart alone and of both.
    assert 10.0 / 1.1 < cartpole.read("joints").velocity[0] / 0.02 < 10.0 / 1.0


def test_commands_beyond_a_drives_limit_have_the_effect_of_the_limit(cartpole):
    snapshot = cartpole.snapshot()
    ends = []
    for force in (10.0, 1e6):
        cartpole.restore(snapshot)
        cartpole.apply({"slider": force})
        cartpole.advance(0.3)
        ends.append(state(cartpole))
        assert cartpole.read("joints").effort[0] == 10.0
    assert ends[0] == ends[1]


def test_cart_hits_its_end_stop_without_a_bounce(cartpole):
    cartpole.apply({"slider": 10.0})
    hit_m_s = 0.0
    while cartpole.read("joints").position[0] < 2.4:
        hit_m_s = cartpole.read("joints").velocity[0]
        cartpole.advance(0.002)
    assert hit_m_s > 4.0
    speeds = []
    for _ in range(50):
        cartpole.advance(0.01)
        speeds.append(cartpole.read("joints").velocity[0])
        assert cartpole.read("joints").position[0] < 2.43
    assert max(map(abs, speeds)) < 0.1


def test_braked_world_comes_to_rest(world):
    for name in drives(world):
        world.apply({name: 2.0})
    world.advance(0.3)
    world.brake()
    # Longest for the hanging pole, which only friction slows.
    world.advance(60.0)
    assert max(map(abs, world.read("joints").velocity)) < 0.05


def test_brake_stops_the_cart_within_half_a_second(cartpole):
    cartpole.apply({"slider": 10.0})
    cartpole.advance(0.4)
    assert cartpole.read("joints").velocity[0] > 2.0
    cartpole.brake()
    cartpole.advance(0.5)
    assert abs(cartpole.read("joints").velocity[0]) < 0.01


def test_reachers_drives_follow_velocities():
    world = make_world("reacher")
    world.reset(start_rng(0, 0))
    world.apply({"shoulder": 1.0, "elbow": -2.0})
    world.advance(0.2)
    assert world.read("joints").velocity == pytest.approx([1.0, -2.0], abs=0.02)
    world.close()


def test_target_stays_where_it_was_drawn_and_within_reach():
    world = make_world("reacher")
    for episode in range(20):
        world.reset(start_rng(0, episode))
        before = world.read("target").position
        world.apply({"shoulder": 2.0, "elbow": 2.0})
        world.advance(1.0)
        assert world.read("target").position == before
        assert 0.3 <= math.hypot(*before) <= 0.7
    world.close()


@pytest.mark.parametrize("periods", [1, 7, 30])
def test_odd_durations_average_out(cartpole, periods):
    for _ in range(periods):
        cartpole.advance(1.0 / 30.0)
    snapshot = cartpole.snapshot()
    assert snapshot.steps == round(periods / 30.0 / 0.002)


def test_pictures_show_the_motion(world):
    before = world.render("camera")
    assert (before.shape, before.dtype) == ((64, 64, 3), np.uint8)
    assert np.array_equal(world.render("camera"), before)
    world.apply(dict.fromkeys(drives(world), 2.0))
    world.advance(0.5)
    assert not np.array_equal(world.render("camera"), before)


def test_photographs_have_even_sides(world):
    height, width, channels = world.photograph().shape
    assert (height, channels) == (240, 3)
    assert width % 2 == 0


@pytest.mark.parametrize("name", packaged("tasks"))
def test_world_of_a_packaged_task_has_its_robots_sources_and_joints(name):
    config = load_run(name)
    world = make_world(config.task.world)
    world.reset(start_rng(0, 0))
    for source in config.robot.sources.keys() - config.robot.trackers.keys():
        assert isinstance(world.read(source), READ_AS[config.robot.sources[source].type])
    world.apply(dict.fromkeys(config.robot.joint_names, 0.0))
    world.close()
    make_robots_world(config).close()


def test_errors_name_what_there_is(cartpole):
    with pytest.raises(WorldError, match="joints"):
        cartpole.read("imu")
    with pytest.raises(WorldError, match="slider"):
        cartpole.apply({"hinge": 1.0})
    with pytest.raises(WorldError, match="nan"):
        cartpole.apply({"slider": math.nan})
    with pytest.raises(WorldError, match="camera"):
        cartpole.render("rear")
    with pytest.raises(WorldError, match="cartpole"):
        make_world("moon")
    with pytest.raises(WorldError, match="hardware"):
        make_world(None)
