"""Judges what a demo that ROS's `launch` ran has learned, and writes its results down as `robot-mbrl demo` does.

`demo.launch.py` runs it once the nodes have ended: `python -m robot_mbrl.commands.demo_end RUN SECONDS`, with how the
simulated world differed; with `--interrupted` where somebody has ended them, who waits for no judging.
"""

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console

from robot_mbrl.commands.judging import EPISODES, judge_policy, unseen_seed
from robot_mbrl.commands.options import add_run_folder, add_variety_options, read_run, variety_of
from robot_mbrl.commands.results import Results
from robot_mbrl.errors import USER_ERROR, RobotMbrlError


def main(arguments: Sequence[str]) -> int:
    """Judge the exported policy, if there is one, frozen and in this process, and tell.

    Args:
        arguments: the run's folder, how many seconds it has just lived, how the world varies, and whether somebody
            ended it before its time: then nothing is judged.
    """
    parser = argparse.ArgumentParser(prog="python -m robot_mbrl.commands.demo_end")
    add_run_folder(parser)
    parser.add_argument("lived_s", type=float)
    parser.add_argument("--interrupted", action="store_true")
    add_variety_options(parser)
    args = parser.parse_args(arguments)
    try:
        config, folder = read_run(args.folder)
        results = Results(config, folder, "demo")
        judged = []
        if folder.policy.is_file() and not args.interrupted:
            judged = judge_policy(config, folder.policy, EPISODES, unseen_seed(config), variety=variety_of(args))
        results.write(results.read_record(), args.lived_s)
        results.conclude(judged)
    except RobotMbrlError as error:
        print(f"robot-mbrl: {error}", file=sys.stderr)
        return USER_ERROR
    results.tell(Console(), interrupted=args.interrupted)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
