"""Whoever stops a robot reaches its console by a socket, and a person at its terminal by a line."""

import os
import pty
import subprocess
import sys
from pathlib import Path

from robot_mbrl.runs import console

ROOT = Path(__file__).parents[2]


def test_nobody_waits_for_a_console_that_is_not_there() -> None:
    assert console.tell(console.address(231, "/nobody"), console.STOP) is None


def test_remedy_is_named_once() -> None:
    remedy = "robot-mbrl release, then robot-mbrl enable"
    assert console.outcome(console.STOP, "latched: emergency_stop") == f"latched: emergency_stop; to go on: {remedy}"
    assert console.outcome(console.STOP, f"latched: emergency_stop: {remedy}").count("release") == 1


def test_without_a_terminal_nothing_is_waited_for() -> None:
    reader, writer = os.pipe()
    assert console.Keyboard(reader).readable() == []
    os.close(reader)
    os.close(writer)


IN_TERMINAL = """
import fcntl, os, select, signal, subprocess, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from robot_mbrl.runs.console import Keyboard
keyboard = Keyboard()
with subprocess.Popen(["sleep", "60"], process_group=0) as other:
    os.tcsetpgrp(0, other.pid)
    print("in the background", keyboard.readable(), flush=True)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.tcsetpgrp(0, os.getpgrp())
    other.kill()
print("in the foreground", keyboard.readable(), flush=True)
for _ in range(2):
    select.select(keyboard.readable(), [], [])
    print(keyboard.take(), keyboard.readable(), flush=True)
"""


def test_line_typed_in_the_foreground_is_an_act_and_the_end_of_input_is_none() -> None:
    keyboard, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", IN_TERMINAL], stdin=terminal, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        # The terminal is another's then; reading there would suspend the robot's supervisor.
        assert process.stdout.readline() == "in the background []\n"
        assert process.stdout.readline() == "in the foreground [0]\n"
        os.write(keyboard, b"\n")
        assert process.stdout.readline() == "True [0]\n"
        # Ctrl-D.
        os.write(keyboard, b"\x04")
        assert process.stdout.readline() == "False []\n"
    os.close(keyboard)
    os.close(terminal)
