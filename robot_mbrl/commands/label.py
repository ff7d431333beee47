"""`robot-mbrl label RUN`: a verdict on an episode that is over, while nothing runs."""

import argparse
import json

from robot_mbrl.commands.options import Subparsers, add_json, add_run_folder, finite, read_run, whole
from robot_mbrl.errors import ConfigError
from robot_mbrl.labels import Labels
from robot_mbrl.runs.journal import noted
from robot_mbrl.runs.scenario import namespace


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "label",
        help="judge an episode that is over: success, failure, a reward",
        description="Writes the verdict beside the run's recordings; its learner merges it into the episode's last "
        "step at its next start. While the nodes run, publish it on the topic `feedback`.",
    )
    add_run_folder(parser)
    parser.add_argument("--success", action="store_true", help="the goal was reached")
    parser.add_argument("--failure", action="store_true", help="nothing of value comes after it")
    parser.add_argument("--reward", type=finite, help="what it earned besides")
    parser.add_argument(
        "--episode",
        type=whole,
        default=-1,
        metavar="N",
        help="which, in the order they were recorded: 1 for the first, -1 for the last (default)",
    )
    parser.add_argument("--session", default="", metavar="ID", help="count the episodes of this session only")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the verdict down."""
    # Not at the top: the command line must start without the readers of recordings, which are an extra.
    from robot_mbrl.experience.judging import chosen, recorded_episodes, write_verdict

    labels = Labels(args.reward, args.success, args.failure)
    if args.success and args.failure:
        raise ConfigError("--success and --failure contradict one another: say one of them")
    if not labels.values:
        raise ConfigError("say what it was: --success or --failure, or --reward R")
    config, folder = read_run(args.folder)
    episodes = recorded_episodes(folder.bags, args.session)
    if not episodes:
        of_session = f" of session {args.session!r}" if args.session else ""
        raise ConfigError(f"{folder.bags}: no episode{of_session} was recorded; robot-mbrl sessions RUN lists what was")
    episode = chosen(episodes, args.episode)
    with noted(folder, "label", args):
        write_verdict(folder.bags, episode.last, labels, config.action_spec(), namespace(config))
    number = episodes.index(episode) + 1
    told = {
        "session": episode.last.session,
        "stamp_ns": episode.last.stamp_ns,
        "episode": number,
        "steps": episode.steps,
        "reward": episode.reward,
        "labels": labels.values,
    }
    if args.json:
        print(json.dumps(told, indent=2))
        return 0
    said = ", ".join(f"{name} {value:g}" for name, value in labels.values.items())
    print(f"episode {number} of {len(episodes)} ({episode.steps} steps, reward {episode.reward:g}): {said}")
    return 0
