"""The operator's console: a node that stays connected to the guard, for acts that cannot wait for others to connect.

A process that joins the graph is heard by the guard after up to three seconds: DDS's participants meet slowly. The
console has met the guard before: it is told to stop the robot by a line to its standard input, or through a socket.
"""

import os
import socket
from contextlib import suppress

NAME = "console"
STOP, DISABLE = "stop", "disable"
"""What it can be told, each a word in a line."""
ANSWER_S = 1.5
"""How long the guard may take to do what it was told; it reports at once, and otherwise every second."""
MARGIN_S = 0.5
"""How much longer whoever asks the console waits."""
LIMIT = 4096


def address(domain: int | str, namespace: str) -> str:
    """The name of a console's socket, in the kernel's abstract namespace: it goes with the process.

    Args:
        domain: the ROS domain.
        namespace: the robot's.
    """
    return f"\0robot-mbrl/console/{domain}{namespace}"


def tell(where: str, act: str) -> str | None:
    """Tell a console on this computer to act, and wait for the effect.

    Args:
        where: its `address`.
        act: `STOP` or `DISABLE`.

    Returns:
        What has become of it; None where no console answers, or the guard did not answer it: the act must go another
        way then.
    """
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_S + MARGIN_S)
        connection.connect(where)
        connection.sendall(f"{act}\n".encode())
        return connection.recv(LIMIT).decode(errors="replace").strip() or None
    return None


def outcome(act: str, state: str) -> str:
    """What the person is told once an act was taken.

    Args:
        act: `STOP` or `DISABLE`.
        state: the guard's, with its reason.
    """
    if act == STOP:
        remedy = "robot-mbrl release, then robot-mbrl enable"
        return state if remedy in state else f"{state}; to go on: {remedy}"
    return "disabled: the robot is stopped until it is enabled"


class Keyboard:
    """The terminal that a command runs in: a line typed there is an act. Silent where there is no terminal."""

    def __init__(self, descriptor: int = 0) -> None:
        """Prepare.

        Args:
            descriptor: of the terminal; standard input by default.
        """
        self._descriptor = descriptor
        self._is_open = True

    def readable(self) -> list[int]:
        """What to wait for: nothing while the command is in the background, where the terminal is another's."""
        with suppress(OSError):
            if self._is_open and os.tcgetpgrp(self._descriptor) == os.getpgrp():
                return [self._descriptor]
        return []

    def take(self) -> bool:
        """Whether a line was typed; call it when one of `readable` is."""
        with suppress(OSError):
            if not os.read(self._descriptor, LIMIT):
                self._is_open = False
                return False
            return True
        self._is_open = False
        return False
