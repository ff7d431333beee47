"""Golden pictures of every world that was looked at; `python -m tests.sim.test_pictures` takes them anew."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from sim.starts import start_rng
from sim.worlds import WORLDS, make_world

FOLDER = Path(__file__).parent / "pictures"
TOLERANCE = 3.0
"""Mean difference of pixels, of 255: other processors round otherwise, and draw edges a little elsewhere."""


def taken(name):
    """The start of an episode, as people see it."""
    world = make_world(name)
    world.reset(start_rng(0, 1))
    picture = world.photograph(120)
    world.close()
    return picture


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_world_looks_as_it_did(name):
    golden = cv2.cvtColor(cv2.imread(str(FOLDER / f"{name}.png")), cv2.COLOR_BGR2RGB)
    picture = taken(name)
    assert picture.shape == golden.shape
    assert np.abs(picture.astype(int) - golden).mean() < TOLERANCE


def main() -> None:
    """Take all pictures anew; look at them before they are committed."""
    FOLDER.mkdir(exist_ok=True)
    for name in WORLDS:
        cv2.imwrite(str(FOLDER / f"{name}.png"), cv2.cvtColor(taken(name), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
