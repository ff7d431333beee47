"""Joins a running graph for the page in a browser: hears the guard once a second, and the rest while somebody looks."""

import argparse
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image, JointState

from robot_mbrl import messages, topics
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import USER_ERROR, MessageError, RobotMbrlError
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.scenario import ONLOOKER_NICENESS, namespace
from robot_mbrl.terminal import with_output
from robot_mbrl.views.board import Board
from robot_mbrl.views.body import Body
from robot_mbrl.views.server import PageServer
from ros_nodes import qos
from ros_nodes.operate import NO_LOG_FILE
from ros_nodes.robot_state import RobotState
from ros_nodes.runtime import STOP_SIGNALS, make_executor

SPIN_S = 0.1
LOOKS_S = 5.0
"""Whoever asked for a picture no longer ago than this is still looking."""
JPEG_QUALITY = 80


class Heard:
    """The newest message of one topic, heard while somebody looks at it."""

    def __init__(self, kind: type, topic: str) -> None:
        """Listen to nothing yet.

        Args:
            kind: class of its messages.
            topic: its name.
        """
        self.kind, self.topic = kind, topic
        self.subscription: Any = None
        self.message: Any = None
        self._at_s = self._asked_s = -math.inf

    @property
    def is_wanted(self) -> bool:
        """Whether somebody looks."""
        return time.monotonic() - self._asked_s < LOOKS_S

    def hear(self, message: Any) -> None:
        """Take the newest message."""
        self._at_s = time.monotonic()
        self.message = message

    def look(self) -> tuple[Any, float | None]:
        """The newest message and its age in seconds; both None before one came."""
        self._asked_s = time.monotonic()
        return self.message, None if self.message is None else time.monotonic() - self._at_s


class WatchNode:
    """What a running graph tells the page; threads of the page ask while another one spins."""

    def __init__(self, config: RunConfig) -> None:
        """Join the graph.

        Args:
            config: the run.
        """
        self.node = Node("watch", namespace=namespace(config))
        self._state = RobotState(self.node)
        self._state_s = -math.inf
        self._known_report: dict[str, str] = {}
        self._step = Heard(JointState, topics.NEWEST_STEP)
        self._images = {camera: Heard(Image, topics.image(camera)) for camera in config.observation_spec().images}
        self._images[topics.PREDICTION] = Heard(Image, topics.PREDICTION)
        self._executor = make_executor()
        self._executor.add_node(self.node)

    def spin(self, stop: threading.Event) -> None:
        """Serve the graph until told to stop."""
        while not stop.is_set():
            self._executor.spin_once(SPIN_S)
            if self._state.report is not self._known_report:
                self._known_report, self._state_s = self._state.report, time.monotonic()
            for heard in (self._step, *self._images.values()):
                self._follow(heard)

    def said(self) -> tuple[str, float | None]:
        """The guard's state with its reason, and how old that is."""
        age_s = time.monotonic() - self._state_s
        return self._state.sentence, age_s if math.isfinite(age_s) else None

    def newest_step(self) -> tuple[Mapping[str, float], float | None]:
        """The newest step by name, and its age."""
        message, age_s = self._step.look()
        if message is None:
            return {}, None
        try:
            return messages.read_named(message), age_s
        except MessageError:
            return {}, age_s

    def pictures(self) -> list[str]:
        """The cameras that the policy sees by, and what the world model expects."""
        return list(self._images)

    def picture(self, name: str) -> tuple[bytes, float] | None:
        """The newest picture as JPEG, and its age."""
        message, age_s = self._images[name].look()
        if message is None or age_s is None:
            return None
        try:
            picture = messages.read_image(message)
        except MessageError:
            return None
        return encode(picture), age_s

    def _follow(self, heard: Heard) -> None:
        """Subscribe to what is looked at, and to nothing else."""
        if heard.is_wanted and heard.subscription is None:
            heard.subscription = self.node.create_subscription(heard.kind, heard.topic, heard.hear, qos.SEEN)
        elif not heard.is_wanted and heard.subscription is not None:
            self.node.destroy_subscription(heard.subscription)
            heard.subscription = heard.message = None


def encode(picture: np.ndarray) -> bytes:
    """A picture as JPEG, (height, width, channels): colours as they are, depths from near, dark, to far, bright."""
    shown: np.ndarray = picture
    if picture.dtype != np.uint8:
        shown = (picture / max(1, int(picture.max())) * 255).astype(np.uint8)
    elif picture.shape[2] == 3:
        shown = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return bytes(data)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the page of a running run until interrupted."""
    parser = argparse.ArgumentParser(prog="robot-mbrl watch", description="Shows a running run in a browser.")
    parser.add_argument("--run", dest="folder", type=Path, required=True, help="the run's folder")
    parser.add_argument("--host", required=True, help="address to listen on")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    parser.add_argument("--urdf", type=Path, help="the robot's shape")
    args = parser.parse_args(arguments)
    return with_output(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    try:
        _watch(args)
    except RobotMbrlError as error:
        print(f"robot-mbrl: {' '.join(str(error).split())}", file=sys.stderr)
        return USER_ERROR
    return 0


def _watch(args: argparse.Namespace) -> None:
    """Serve the page until told to stop.

    Raises:
        ConfigError: if it cannot be listened there, or the run or the robot's shape cannot be read.
    """
    # A robot's nodes may run on this computer, too.
    os.nice(ONLOOKER_NICENESS)
    folder = RunFolder.open(args.folder)
    config = load_run(folder.path)
    body = Body(config.robot, args.urdf) if args.urdf is not None else None
    stop = threading.Event()
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    rclpy.init(args=list(NO_LOG_FILE), signal_handler_options=SignalHandlerOptions.NO)
    try:
        watch = WatchNode(config)
        with PageServer(Board(folder, watch, body), args.host, args.port) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            print(f"watch it: {server.url}", flush=True)
            watch.spin(stop)
            server.shutdown()
    finally:
        rclpy.try_shutdown()


if __name__ == "__main__":
    sys.exit(main())
