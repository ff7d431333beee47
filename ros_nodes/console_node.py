"""The operator's console: prints each change of the guard's state, and stops the robot at once when it is told to."""

import math
import re
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from std_msgs.msg import Bool

from robot_mbrl import topics
from robot_mbrl.runs import console
from robot_mbrl.runs.throttle import Throttle
from ros_nodes import qos
from ros_nodes.robot_state import RobotState
from ros_nodes.runtime import run

CHANGES = 6
"""Changes of state that are printed at once."""
CHANGE_PERIOD_S = 5.0
"""How often one more is printed while it flaps."""
LOOK_S = 0.1
DETAIL_S = 0.3
"""How long the report that explains a new state is waited for."""
PRESS_S = 0.01
"""How often a stop is repeated until the guard says that it has heard it."""


class ConsoleNode:
    """Listens to the guard, to standard input and to a socket."""

    margin_s = 0.0

    def __init__(self) -> None:
        """Meet the guard, and be there for whoever stops the robot."""
        self.node = node = Node(console.NAME)
        self._emergency = node.create_publisher(Bool, topics.EMERGENCY_STOP, qos.EVENTS)
        self._enable = node.create_publisher(Bool, topics.ENABLE, qos.EVENTS)
        self._state = RobotState(node)
        self._told = ""
        self._throttle = Throttle(CHANGES, CHANGE_PERIOD_S)
        self._look_s = -math.inf
        self._changed_s = math.inf
        threading.Thread(target=self._read_words, daemon=True).start()
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            server.bind(console.address(node.context.get_domain_id(), node.get_namespace()))
        except OSError:
            node.get_logger().warning("another console of this robot runs on this computer: robot-mbrl stop asks that")
            return
        server.listen()
        threading.Thread(target=self._serve, args=(server,), daemon=True).start()

    def next_deadline_s(self) -> float:
        """When the state is looked at next."""
        return self._look_s

    def on_deadline(self, now_s: float) -> None:
        """Print the state if it has changed."""
        self._look_s = now_s + LOOK_S
        state = self._state
        # Figures apart: an age that grows makes no new state.
        seen = re.sub(r"\d+", "#", state.sentence)
        if seen == self._told or not state.word:
            self._changed_s = math.inf
        elif state.report.get("state") == state.word or now_s - self._changed_s > DETAIL_S:
            self._told = seen
            self._throttle.offer(state.sentence, urgent=state.latched)
        else:
            self._changed_s = min(self._changed_s, now_s)
        if (text := self._throttle.due(now_s)) is not None:
            print(f"robot: {text}", flush=True)

    def close(self) -> None:
        """Nothing is left to do: whoever was told to stop the robot has done so, or it was not there."""

    def _read_words(self) -> None:
        """Take words from standard input until it is closed."""
        for line in sys.stdin:
            if not self._act(line.strip()):
                print(f"robot: nobody has answered to {line.strip()}", flush=True)

    def _serve(self, server: socket.socket) -> None:
        """Answer one caller after the other."""
        while True:
            connection, _ = server.accept()
            with suppress(OSError), connection:
                connection.settimeout(console.ANSWER_S)
                if self._act(connection.recv(console.LIMIT).decode(errors="replace").strip()):
                    connection.sendall(self._state.sentence.encode())

    def _act(self, word: str) -> bool:
        """Do what it was told; returns whether the guard has answered."""
        if word == console.STOP:
            return self._press(self._emergency, on=True)
        if word == console.DISABLE:
            return self._press(self._enable, on=False)
        return False

    def _press(self, switch: Publisher, *, on: bool) -> bool:
        """Say it again and again until the guard has taken it."""
        end_s = time.monotonic() + console.ANSWER_S
        report: Any = self._state.report
        switch.publish(Bool(data=on))
        while time.monotonic() < end_s:
            # Not by a report from before, which may tell of an act that was taken back since.
            if self._state.report is not report and self._is_taken(on):
                return True
            time.sleep(PRESS_S)
            switch.publish(Bool(data=on))
        return False

    def _is_taken(self, on: bool) -> bool:
        if on:
            return self._state.latched and self._state.says("emergency_pressed")
        return self._state.report.get("enabled") == "False"


def main() -> int:
    """Run the node."""
    return run(ConsoleNode)


if __name__ == "__main__":
    sys.exit(main())
