"""What a command prints reaches whatever it is connected to, or ends without a word."""

import os
import subprocess
import sys
from pathlib import Path

from robot_mbrl.terminal import OUTPUT_CLOSED

ROOT = Path(__file__).parents[1]
COMMAND = "import sys; from robot_mbrl.terminal import with_output; sys.exit(with_output(lambda: print({text}) or 0))"


def test_output_that_is_closed_ends_a_command_without_a_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    code = COMMAND.format(text="'many lines\\n' * 100_000")
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, cwd=ROOT, timeout=150, check=False
    )
    os.close(writer)
    assert done.returncode == OUTPUT_CLOSED
    assert done.stderr == b""


def test_what_a_terminal_cannot_show_is_replaced() -> None:
    code = COMMAND.format(text="'last return – ▁▂▃ für'")
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, cwd=ROOT, timeout=150, check=False
    )
    assert done.stdout.decode("latin-1") == "last return ? ??? für\n"
    assert done.returncode == 0


def test_a_command_that_was_started_without_an_output_ends_all_the_same() -> None:
    code = COMMAND.format(text="'to nobody'")
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-c", code],
        stderr=subprocess.PIPE,
        cwd=ROOT,
        timeout=150,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
