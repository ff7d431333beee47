"""A command of the user's that is run when a run stops, learns or breaks: a mail, a lamp, a message."""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping

from robot_mbrl.runs.folder import RunFolder

STOPPED, LEARNED, BROKE = "stopped", "learned", "broke"
EVENT, MESSAGE, RUN = "ROBOT_MBRL_EVENT", "ROBOT_MBRL_MESSAGE", "ROBOT_MBRL_RUN"
"""Variables that the command finds what happened in."""
PATIENCE_S = 30.0
"""A command that takes longer is killed."""
HELP = (
    "a command for the shell, run when robot or run stop, learn (a judged episode is solved) or break; it finds what "
    f"happened in ${EVENT} (stopped, learned or broke), ${MESSAGE} and ${RUN}"
)
LOG = "notify.log"
"""What the commands print, in the run's folder of logs."""


class Notifier:
    """Runs the command, and never waits for it but at the end."""

    def __init__(self, command: str | None, folder: RunFolder) -> None:
        """Prepare.

        Args:
            command: for the shell; None for none.
            folder: the run's.
        """
        self._command, self._folder = command, folder

    def tell(self, event: str, message: str) -> None:
        """Run the command for something that has happened.

        Args:
            event: `STOPPED`, `LEARNED` or `BROKE`.
            message: what happened, in a sentence.
        """
        if self._command is None:
            return
        environment = {**os.environ, EVENT: event, MESSAGE: message, RUN: str(self._folder.path)}
        try:
            process = self._start(self._command, environment)
        except OSError as error:
            # A full disk, or no process left: a run that cannot call for somebody goes on all the same.
            print(f"robot-mbrl: --notify could not be run: {error}; it would have said: {message}", file=sys.stderr)
            return
        # Not a daemon: the last message of a run that ends is still sent.
        threading.Thread(target=_await, args=(process,), name="notify").start()

    def _start(self, command: str, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        self._folder.logs.mkdir(exist_ok=True)
        with (self._folder.logs / LOG).open("ab") as log:
            return subprocess.Popen(
                command,
                shell=True,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def _await(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
