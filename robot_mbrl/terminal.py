"""A command's output, whatever it is connected to: a terminal of any encoding, or a pipe that is closed early."""

import io
import os
import sys
from collections.abc import Callable

OUTPUT_CLOSED = 141
"""Exit code where whoever read the output has gone, as a shell reports a process that SIGPIPE ended."""


def with_output(act: Callable[[], int]) -> int:
    """Run a command; what the terminal cannot show is replaced, and an output that is closed ends it without a word.

    Returns:
        Its exit code, or `OUTPUT_CLOSED`.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        code = act()
        # Here, where it can be caught, and not when Python exits. Whoever closes it before the start (`>&-`) has none.
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return OUTPUT_CLOSED
    return code


def _discard_output() -> None:
    """Send what is still to be written nowhere, or Python would try again when it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
