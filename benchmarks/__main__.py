"""Runs the benchmarks, each in a process of its own: `python -m benchmarks [NAME …]`."""

import argparse
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
HELPERS = ("__init__", "__main__", "report", "curves", "walking")


def names() -> list[str]:
    """Every benchmark there is."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in HELPERS)


def main() -> int:
    """Run the chosen ones, or all; returns how many failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Tables, and JSON in benchmarks/results.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(names())}; all if none is given")
    chosen = parser.parse_args().names or names()
    if unknown := set(chosen) - set(names()):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    failed = 0
    for name in chosen:
        failed += subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
