"""Judges what a demo that ROS's `launch` ran has learned, and writes its results down as `robot-mbrl demo` does.

`demo.launch.py` runs it once the nodes have ended: `python -m robot_mbrl.commands.demo_end RUN SECONDS`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from robot_mbrl.commands.judging import EPISODES, judge_policy, unseen_seed
from robot_mbrl.commands.options import read_run
from robot_mbrl.commands.results import Results
from robot_mbrl.errors import USER_ERROR, RobotMbrlError


def main(arguments: Sequence[str]) -> int:
    """Judge the exported policy, if there is one, frozen and in this process, and tell.

    Args:
        arguments: the run's folder, and how many seconds it has just lived.
    """
    try:
        config, folder = read_run(Path(arguments[0]))
        results = Results(config, folder, "demo")
        is_there = folder.policy.is_file()
        judged = judge_policy(config, folder.policy, EPISODES, unseen_seed(config)) if is_there else []
        results.write(results.read_record(), float(arguments[1]))
        results.conclude(judged)
    except RobotMbrlError as error:
        print(f"robot-mbrl: {error}", file=sys.stderr)
        return USER_ERROR
    results.tell(Console(), interrupted=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
