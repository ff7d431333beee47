"""The window on a robot."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.errors import WorldError
from sim.viewer import Viewer

ROOT = Path(__file__).parents[2]
SHOW = """
from sim.viewer import Viewer
viewer = Viewer("reacher")
viewer.show({"shoulder": 0.5, "target_x": 0.25, "no joint of this scene": 1.0, "elbow": float("nan")})
shown = {name: round(viewer._bullet.getJointState(*joint)[0], 3) for name, joint in viewer._joints.items()}
print(shown["shoulder"], shown["elbow"], shown["target_x"], viewer.is_open)
viewer.close()
viewer.show({"shoulder": 0.1})
print(viewer.is_open)
"""


@pytest.fixture
def display() -> Iterator[str]:
    """A display that nobody looks at."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed")
    read, write = os.pipe()
    with subprocess.Popen(["Xvfb", "-displayfd", str(write)], pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        yield f":{os.read(read, 16).decode().strip()}"
        server.terminate()


def test_joints_are_shown_where_they_are(display: str) -> None:
    environment = {**os.environ, "DISPLAY": display, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", SHOW], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "0.5 0.0 0.25 True" in done.stdout
    assert done.stdout.rstrip().endswith("False")


def test_window_without_a_display_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(WorldError, match="no display to show the robot on: set DISPLAY"):
        Viewer("cartpole")


def test_what_is_no_world_cannot_be_shown() -> None:
    with pytest.raises(WorldError, match="no world 'moon' to show; worlds are a1, cartpole"):
        Viewer("moon")
