"""Domain randomisation and pushes: drawn from the seed, off by default, and felt where they should be."""

import math

import numpy as np
import pytest

from robot_mbrl.errors import ConfigError
from robot_mbrl.variety import Variety, read_changes
from sim.errors import WorldError
from sim.starts import start_rng
from sim.worlds import WORLDS, make_world
from sim.worlds.variation import NOMINAL, Bump, Noise, Ranges, Variation
from sim.worlds.varied import Pushes, VariedWorld, spoil, with_variety
from sim.worlds.world import InertialReading, JointReading, Rotation, ScanReading, Triple

PERIOD_S = 0.05
STILL = Ranges(friction=(1.0, 1.0), mass=(1.0, 1.0), strength=(1.0, 1.0), latency_s=(0.0, 0.0), noise=Noise(), bumps=0)
"""Nothing varies."""


def place(world):
    return np.array(world.poses()["base"][0])


def standing_targets(world):
    return dict(zip(world.kinds(), [0.0, 0.869, -1.628] * 4, strict=True))


def live(world, seed, periods=30):
    """Random commands; what is read on the way."""
    rng, read = np.random.default_rng(seed), []
    for _ in range(periods):
        world.apply({name: rng.uniform(-1.0, 1.0) for name in world.kinds()})
        world.advance(PERIOD_S)
        reading = world.read("joints")
        read += [*reading.position, *reading.velocity]
    return read


@pytest.fixture(params=["a1", "husky", "sphero", "cartpole", "reacher"])
def varied(request):
    world = VariedWorld(make_world(request.param), Ranges())
    yield world
    world.close()


def test_nothing_varies_by_default():
    world = make_world("a1")
    assert with_variety(world, Variety()) is world
    assert isinstance(with_variety(world, Variety(randomise=True)), VariedWorld)
    world.close()


def test_same_seed_gives_the_same_world_and_the_same_bits(varied):
    lives = []
    for _ in range(2):
        varied.reset(start_rng(0, 3))
        lives.append((varied.variation, live(varied, seed=1)))
        varied.reset(start_rng(0, 4))
        live(varied, seed=2, periods=3)
    assert lives[0] == lives[1]


def test_each_episode_differs_and_starts_where_it_would_anyhow(varied):
    variations = []
    nominal = varied.world
    for episode in range(3):
        varied.reset(start_rng(0, episode))
        variations.append(varied.variation)
        positions = nominal.positions()
        nominal.reset(start_rng(0, episode))
        assert nominal.positions() == pytest.approx(positions)
    assert len({variation.friction for variation in variations}) == 3


def test_a_variation_of_nothing_changes_nothing():
    plain, varied = make_world("a1"), VariedWorld(make_world("a1"), STILL)
    for world in (plain, varied):
        world.reset(start_rng(0, 0))
    assert live(plain, seed=1) == live(varied, seed=1)
    plain.close()
    varied.close()


def test_a_snapshot_of_a_varied_world_repeats_noise_latency_and_pushes():
    world = VariedWorld(make_world("a1"), Ranges(), Pushes(every_s=0.6, pause_s=0.1))
    world.reset(start_rng(0, 0))
    live(world, seed=1)
    saved = world.snapshot()
    first = live(world, seed=2)
    live(world, seed=3)
    world.restore(saved)
    assert live(world, seed=2) == first
    world.close()


def test_draws_keep_to_their_ranges():
    ranges = Ranges()
    for seed in range(50):
        drawn = ranges.draw(np.random.default_rng(seed))
        for name in ("friction", "mass", "strength", "latency_s"):
            low, high = getattr(ranges, name)
            assert low <= getattr(drawn, name) <= high
        assert 0.0 <= drawn.noise.position <= ranges.noise.position
        assert all(0.0 <= bump.height_m <= ranges.bump_m for bump in drawn.bumps)


def test_slippery_ground_lets_a_base_slide_farther():
    ways = []
    for friction in (0.1, 1.0):
        world = make_world("husky")
        world.vary(Variation(friction=friction))
        world.reset(start_rng(0, 0))
        world.apply({"linear.x": 0.0, "angular.z": 0.0})
        world.push((8.0, 0.0))
        world.advance(0.4)
        world.push((0.0, 0.0))
        world.advance(2.0)
        start = make_world("husky")
        start.reset(start_rng(0, 0))
        ways.append(float(np.linalg.norm(place(world) - place(start))))
        world.close()
        start.close()
    assert ways[0] > 1.5 * ways[1]


def test_heavier_masses_make_a_cart_slower():
    speeds = []
    for mass in (1.0, 2.0):
        world = make_world("cartpole")
        world.vary(Variation(mass=mass))
        world.reset(start_rng(0, 0))
        world.apply({"slider": 10.0})
        world.advance(0.1)
        speeds.append(world.read("joints").velocity[0])
        world.close()
    assert speeds[0] == pytest.approx(2.0 * speeds[1], rel=0.05)


def test_weak_drives_push_less():
    world = make_world("cartpole")
    world.vary(Variation(strength=0.5))
    world.reset(start_rng(0, 0))
    world.apply({"slider": 4.0})
    assert world.read("joints").effort[0] == pytest.approx(2.0)
    world.close()


def test_commands_are_heard_after_the_latency():
    world = VariedWorld(make_world("cartpole"))
    world.reset(start_rng(0, 0))
    world.vary(Variation(latency_s=0.02))
    world.apply({"slider": 10.0})
    world.advance(0.02)
    assert abs(world.read("joints").velocity[0]) < 0.02
    world.advance(0.02)
    assert world.read("joints").velocity[0] > 0.15
    world.close()


def test_what_was_on_its_way_is_lost_when_the_drives_brake():
    world = VariedWorld(make_world("cartpole"))
    world.reset(start_rng(0, 0))
    world.vary(Variation(latency_s=0.05))
    world.apply({"slider": 10.0})
    world.brake()
    world.advance(0.3)
    assert abs(world.read("joints").velocity[0]) < 0.01
    world.close()


def test_bumps_lift_a_robot_that_stands_on_them():
    world = make_world("sphero")
    world.reset(start_rng(0, 0))
    world.advance(1.0)
    x, y, flat_m = place(world)
    world.vary(Variation(bumps=(Bump(x, y, 0.0, 0.02),)))
    world.reset(start_rng(0, 0))
    world.advance(1.0)
    assert place(world)[2] == pytest.approx(flat_m + 0.02, abs=0.004)
    world.close()


def test_light_and_camera_change_the_picture_and_nothing_else():
    world = make_world("sphero")
    world.reset(start_rng(0, 0))
    nominal = world.render("camera")
    drawn = Ranges().draw(np.random.default_rng(1))
    world.vary(Variation(light=drawn.light, camera_m=drawn.camera_m))
    world.reset(start_rng(0, 0))
    picture = world.render("camera")
    assert 0.5 < np.abs(picture.astype(int) - nominal).mean() < 60.0
    world.vary(NOMINAL)
    world.reset(start_rng(0, 0))
    assert np.array_equal(world.render("camera"), nominal)
    world.close()


def test_a_push_accelerates_a_robot_by_about_what_it_says():
    world = make_world("a1")
    # On its back, on slippery ground: nothing holds it.
    world.vary(Variation(friction=0.01))
    world.reset(start_rng(0, 0))
    world.apply(standing_targets(world))
    world.advance(1.5)
    before = world.read("tracker").twist.twist.linear
    world.push((0.0, 4.0))
    world.advance(0.1)
    after = world.read("tracker").twist.twist.linear
    gained = math.dist((before.x, before.y, before.z), (after.x, after.y, after.z))
    assert gained == pytest.approx(0.4, rel=0.4)
    world.close()


def test_pushes_come_now_and_then_and_end():
    # Stronger than friction, by which a braked base stands.
    pushes = Pushes(every_s=2.0, pause_s=0.5, acceleration_m_s2=(10.0, 14.0))
    pushed = VariedWorld(make_world("husky"), pushes=pushes)
    pushed.reset(start_rng(0, 0))
    pushed.brake()
    fast = []
    for _ in range(400):
        pushed.advance(PERIOD_S)
        linear = pushed.read("odometry").twist.twist.linear
        fast.append(math.hypot(linear.x, linear.y) > 0.02)
    starts = [k for k in range(1, 400) if fast[k] and not fast[k - 1]]
    assert 2 <= len(starts) <= 20
    assert not all(fast)
    pushed.close()


@pytest.mark.parametrize("name", ["cartpole", "reacher"])
def test_what_is_fixed_to_the_ground_cannot_be_pushed(name):
    world = make_world(name)
    with pytest.raises(WorldError, match="cannot be pushed"):
        with_variety(world, Variety(push=True))
    world.close()


def test_readings_scatter_by_the_noise_that_is_drawn():
    rng, noise = np.random.default_rng(0), Noise(0.01, 0.1, 0.02, 0.05, 0.003, 0.02, 3.0)
    joints, rates, tilts, ranges = [], [], [], []
    for _ in range(400):
        joint = JointReading(["a"], [1.0], [2.0], [0.0])
        inertial = InertialReading(Rotation(), Triple(1.0, 0.0, 0.0), Triple())
        scan = ScanReading(-1.0, 1.0, 2.0, 0.05, 10.0, [3.0, math.inf])
        for reading in (joint, inertial, scan):
            spoil(reading, noise, rng)
        joints.append(joint.position[0])
        rates.append(inertial.angular_velocity.x)
        tilts.append(2.0 * inertial.orientation.x)
        ranges.append(scan.ranges[0])
        assert scan.ranges[1] == math.inf
    for values, mean, deviation in ((joints, 1.0, 0.01), (rates, 1.0, 0.05), (tilts, 0.0, 0.02), (ranges, 3.0, 0.02)):
        assert np.mean(values) == pytest.approx(mean, abs=deviation / 5.0)
        assert np.std(values) == pytest.approx(deviation, rel=0.15)


@pytest.mark.parametrize("name", WORLDS)
def test_every_world_can_vary(name):
    world = VariedWorld(make_world(name), Ranges())
    drawn = set()
    for episode in range(2):
        world.reset(start_rng(0, episode))
        world.advance(PERIOD_S)
        drawn.add(world.variation)
    world.close()
    assert len(drawn) == 2 and NOMINAL not in drawn


def test_what_is_changed_is_so_in_every_episode_whatever_is_drawn():
    world = with_variety(make_world("cartpole"), Variety(randomise=True, changes=(("mass", 2.0), ("latency_s", 0.01))))
    drawn = set()
    for episode in range(3):
        world.reset(start_rng(0, episode))
        assert (world.variation.mass, world.variation.latency_s) == (2.0, 0.01)
        drawn.add(world.variation.strength)
    world.close()
    assert len(drawn) == 3


def test_weaker_drives_do_less():
    ways = []
    for changes in ((), (("strength", 0.5),)):
        world = with_variety(make_world("reacher"), Variety(changes=changes))
        world.reset(start_rng(0, 0))
        world.apply(dict.fromkeys(world.kinds(), 1.0))
        world.advance(PERIOD_S)
        ways.append(np.abs(world.read("joints").velocity).max())
        world.close()
    assert 0.0 < ways[1] < 0.7 * ways[0]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["wind=2"], "'wind' is none of friction, mass, strength, latency_s"),
        (["mass=0"], "mass 0 is not within 0.05 and 20"),
        (["mass"], "'mass' is not of the form NAME=VALUE"),
        (["mass=2", "mass=3"], "a name is there twice"),
        (["strength=nan"], "strength nan is not within"),
    ],
)
def test_changes_that_are_none_are_refused_by_name(words, says):
    with pytest.raises(ConfigError, match=says):
        Variety(changes=read_changes(words))


def test_changes_survive_the_line_that_a_node_is_told_them_by():
    changes = (("mass", 2.0), ("strength", 0.25))
    assert read_changes(Variety(changes=changes).text().split()) == changes
