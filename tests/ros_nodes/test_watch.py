"""The page's node: pictures with colours as they are and depths as brightness, and mistakes told in a sentence."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from robot_mbrl.config import load_run
from robot_mbrl.errors import USER_ERROR
from robot_mbrl.runs.environment import free_domain, node_environment
from robot_mbrl.runs.folder import RunFolder
from ros_nodes.watch import encode


def test_a_port_that_is_taken_is_told_without_a_stack_trace(tmp_path: Path) -> None:
    folder = RunFolder.create(load_run("cartpole"), tmp_path / "run")
    environment = node_environment(os.environ) | {"ROS_DOMAIN_ID": str(free_domain())}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host, port = taken.getsockname()
        command = [sys.executable, "-m", "ros_nodes.watch", f"--run={folder.path}", f"--host={host}", f"--port={port}"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == USER_ERROR
    assert f"robot-mbrl: {host}:{port} cannot be listened on" in done.stderr
    assert "Traceback" not in done.stderr


def shown(picture: np.ndarray) -> np.ndarray:
    """The picture as a browser shows it, (height, width, 3), RGB."""
    read = cv2.imdecode(np.frombuffer(encode(picture), np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(read, cv2.COLOR_BGR2RGB)


def test_colours_are_as_they_are() -> None:
    picture = np.full((64, 48, 3), (200, 30, 90), np.uint8)
    assert np.abs(shown(picture).astype(int) - picture).max() < 12


@pytest.mark.parametrize("farthest", [1, 300, 65535])
def test_what_is_far_is_bright(farthest: int) -> None:
    depths = np.zeros((64, 64, 1), np.uint16)
    depths[:, 32:] = farthest
    grey = shown(depths).astype(int)
    assert grey[:, :28].max() < 12
    assert grey[:, 36:].min() > 243


def test_a_camera_that_sees_nothing_is_black() -> None:
    assert shown(np.zeros((64, 64, 1), np.uint16)).max() == 0
