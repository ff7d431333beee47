"""The colour tracker: it finds what has its colour, to a fraction of a pixel, and says when there is nothing."""

import numpy as np
import pytest
from pydantic import ValidationError

from robot_mbrl.config import load_run
from robot_mbrl.control.colour_tracker import ColourTracker
from robot_mbrl.errors import MessageError
from robot_mbrl.tracker_config import TrackerConfig
from sim.worlds import make_world
from sim.worlds.sphero import ARENA_M

BLUE, GREY = (20, 90, 240), (160, 160, 150)
CONFIG = TrackerConfig(camera="camera", low=(95, 120, 50), high=(125, 255, 255))


def picture(*boxes, colour=BLUE, size=64):
    """Grey, with boxes (left, top, right, bottom; beyond the last pixel) of a colour."""
    result = np.full((size, size, 3), GREY, np.uint8)
    for left, top, right, bottom in boxes:
        result[top:bottom, left:right] = colour
    return result


@pytest.mark.parametrize(
    ("box", "expected"),
    [((0, 0, 4, 4), (2 / 64, 2 / 64)), ((30, 10, 34, 16), (0.5, 13 / 64)), ((60, 60, 64, 64), (62 / 64, 62 / 64))],
)
def test_place_is_the_middle_of_what_has_the_colour(box, expected):
    assert ColourTracker(CONFIG).find(picture(box)) == pytest.approx(expected)


def test_the_larger_of_two_is_found():
    found = ColourTracker(CONFIG).find(picture((2, 2, 5, 5), (40, 40, 48, 48)))
    assert found == pytest.approx((44 / 64, 44 / 64))


@pytest.mark.parametrize("seen", [picture(), picture((5, 5, 6, 8)), picture((5, 5, 30, 30), colour=(240, 90, 20))])
def test_nothing_is_found_where_nothing_large_enough_has_the_colour(seen):
    assert ColourTracker(CONFIG).find(seen) is None


def test_places_count_from_the_areas_upper_left_corner():
    area = {"left": 0.25, "right": 0.75, "top": 0.5, "bottom": 1.0}
    tracker = ColourTracker(CONFIG.model_copy(update={"area": type(CONFIG.area)(**area)}))
    assert tracker.find(picture((14, 30, 18, 34))) == pytest.approx((0.0, 0.0))
    assert tracker.find(picture((46, 30, 50, 34))) == pytest.approx((1.0, 0.0))
    assert tracker.find(picture((6, 30, 10, 34)))[0] < 0.0


def test_a_picture_without_colours_is_refused():
    with pytest.raises(MessageError, match=r"cannot be tracked in a picture of \(64, 64, 1\)"):
        ColourTracker(CONFIG).find(np.zeros((64, 64, 1), np.uint8))


def test_bounds_the_wrong_way_round_are_refused():
    with pytest.raises(ValidationError, match="low: its hue, 130, is above that of high, 120"):
        TrackerConfig(camera="camera", low=(130, 0, 0), high=(120, 255, 255))


@pytest.mark.parametrize("place", [(0.0, 0.0), (0.5, 0.5), (-0.5, 0.3), (0.2, -0.5)])
def test_simulated_sphero_is_found_within_two_hundredths_of_its_arena(place):
    world = make_world("sphero")
    world.reset(np.random.default_rng(0))
    world._body.put(place, (0.0, 0.0, 0.0, 1.0), {})
    tracker = ColourTracker(load_run("sphero-navigate").robot.trackers["arena"])
    found = tracker.find(world.render("camera"))
    world.close()
    assert found == pytest.approx((place[0] / ARENA_M + 0.5, 0.5 - place[1] / ARENA_M), abs=0.025)
