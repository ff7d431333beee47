"""The command line: `robot-mbrl COMMAND …`."""

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from robot_mbrl.errors import USER_ERROR, RobotMbrlError
from robot_mbrl.terminal import with_output

INTERRUPTED = 130
"""Exit code after Ctrl-C at a moment when nothing had to be closed."""

DISK_TROUBLES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
"""No room, no room left to this user or for a file of that size, a broken disk, one that has become read-only."""

DISK_REMEDY = "look after the disk that is written to"

COMMANDS = {
    "demo": ("demo",),
    "train": ("train",),
    "compare": ("compare",),
    "evaluate": ("evaluate",),
    "predict": ("predict",),
    "report": ("report",),
    "layout": ("layout",),
    "hardware": ("robot", "workstation"),
    "stand_in": ("stand-in",),
    "operate": ("enable", "stop", "release", "bring-back", "start-episode", "console"),
    "goal": ("goal",),
    "status": ("status",),
    "watch": ("watch",),
    "bundle": ("bundle",),
    "describe": ("describe",),
    "check": ("check",),
    "jog": ("jog",),
    "agents": ("agents",),
    "import_bags": ("import",),
    "export": ("export",),
    "sessions": ("sessions",),
    "label": ("label",),
    "classify": ("classify",),
}
"""Modules of `robot_mbrl.commands`, each with the words it answers to."""

EXTRAS = {"av": "lerobot", "pyarrow": "lerobot"}
"""Extras that bring what only one command needs, by the library's module."""
EVERYTHING = "ros,learner,sim"
"""Extras that bring what every other command needs."""


def build_parser(word: str = "") -> argparse.ArgumentParser:
    """The parser of the command line.

    Args:
        word: the command that is asked for; only its module is imported, since whoever stops a robot waits for no
            other. Any other word gives the parser of them all.
    """
    parser = argparse.ArgumentParser(
        prog="robot-mbrl", description="Robots that learn in the real world with world models, on ROS 2."
    )
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    asked_for = [module for module, words in COMMANDS.items() if word in words]
    for module in asked_for or COMMANDS:
        importlib.import_module(f"robot_mbrl.commands.{module}").register(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the process's exit code.

    Args:
        arguments: the words after the program's name; None for the process's own.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    return with_output(lambda: _run(words))


def _take_precedence() -> None:
    """Let nothing that computes delay a stop, where that is permitted; the robot's nodes still come first."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        return
    with suppress(OSError):
        os.nice(-10)


def _run(words: Sequence[str]) -> int:
    if words[:1] == ["stop"] or (words[:1] == ["enable"] and "--off" in words):
        # Before anything is imported for it: on a busy machine that is most of what a person waits for.
        _take_precedence()
    # Torch reads it when it is loaded, here and in the nodes: threads that spin while they wait for one another make
    # updates several times slower wherever a core is shared (learning/threads.py).
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        # Ctrl-C may come as early as this: what a command is made of takes a while to import.
        args = build_parser(words[0] if words else "").parse_args(words)
        code: int = args.run(args)
    except RobotMbrlError as error:
        # In one line, also where a YAML parser's own message takes several.
        print(f"robot-mbrl: {' '.join(str(error).split())}", file=sys.stderr)
        return USER_ERROR
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        brings = "what every command needs" if extra is None else "it"
        remedy = f"pip install 'robot-mbrl[{extra or EVERYTHING}]' installs {brings}"
        print(f"robot-mbrl: {error}; {remedy}", file=sys.stderr)
        return USER_ERROR
    except BrokenPipeError:
        raise
    except OSError as error:
        # What a disk refuses to take or to give back is reported without the file's name.
        if error.filename is None and error.errno not in DISK_TROUBLES:
            raise
        told = (
            f"{error.filename}: {error.strerror}" if error.filename is not None else f"{error.strerror}: {DISK_REMEDY}"
        )
        print(f"robot-mbrl: {told}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


if __name__ == "__main__":
    sys.exit(main())
