"""A process that behaves as a node does, or misbehaves as one may; run by the supervisor's tests."""

import os
import signal
import sys
import time
from pathlib import Path


def parameters() -> dict[str, str]:
    """The `-p name:=value` pairs of the command line."""
    pairs = [word for word in sys.argv if ":=" in word and not word.startswith("__ns")]
    return {name: value.strip('"') for name, _, value in (pair.partition(":=") for pair in pairs)}


def main() -> int:
    behaviour = parameters().get("behaviour", "obey")
    lived_before = Path(parameters()["alive"]).exists()
    if behaviour == "user_error" or (behaviour == "obey_once" and lived_before):
        print("stand_in: the field is wrong", file=sys.stderr)
        return 2
    if behaviour == "crash":
        raise RuntimeError("this node is broken")
    if behaviour == "deaf":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    mask = {signal.SIGINT, signal.SIGTERM}
    if behaviour.startswith("obey"):
        signal.pthread_sigmask(signal.SIG_BLOCK, mask)
    Path(parameters()["alive"]).write_text(str(os.getpid()))
    if behaviour == "deaf":
        while True:
            signal.pause()
    if behaviour == "echo":
        print(f"heard {sys.stdin.readline().strip()}", flush=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, mask)
    received = signal.sigwait(mask)
    print(f"asked at {time.monotonic_ns()}")
    if behaviour == "obey_slowly":
        time.sleep(0.3)
    print(f"closed at {time.monotonic_ns()}")
    print(f"closed by {signal.Signals(received).name}, nice {os.nice(0)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
