"""The command line: `robot-mbrl COMMAND …`."""

import argparse
import errno
import sys
from collections.abc import Sequence

from robot_mbrl.commands import bundle, demo, describe, evaluate, hardware, operate, predict, status, train
from robot_mbrl.errors import USER_ERROR, RobotMbrlError

INTERRUPTED = 130
"""Exit code after Ctrl-C at a moment when nothing had to be closed."""

COMMANDS = (demo, train, evaluate, predict, hardware, operate, status, bundle, describe)


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="robot-mbrl", description="Robots that learn in the real world with world models, on ROS 2."
    )
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.register(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the process's exit code.

    Args:
        arguments: the words after the program's name; None for the process's own.
    """
    args = build_parser().parse_args(arguments)
    try:
        code: int = args.run(args)
    except RobotMbrlError as error:
        # In one line, also where a YAML parser's own message takes several.
        print(f"robot-mbrl: {' '.join(str(error).split())}", file=sys.stderr)
        return USER_ERROR
    except ModuleNotFoundError as error:
        extras = "pip install 'robot-mbrl[ros,learner,sim]'"
        print(f"robot-mbrl: {error}; {extras} installs what every command needs", file=sys.stderr)
        return USER_ERROR
    except OSError as error:
        # A full disk is reported without the file's name.
        if error.filename is None and error.errno != errno.ENOSPC:
            raise
        where = f"{error.filename}: " if error.filename is not None else ""
        print(f"robot-mbrl: {where}{error.strerror}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


if __name__ == "__main__":
    sys.exit(main())
