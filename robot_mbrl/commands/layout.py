"""`robot-mbrl layout`: a file for the tool that somebody watches ROS with, which shows all there is to see of a run."""

import argparse
from pathlib import Path

from robot_mbrl.commands.options import TASK_HELP, Subparsers, file_to_write, folder_path, load_task
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.views.layouts import LAYOUTS
from robot_mbrl.views.panels import overview
from robot_mbrl.views.story import RunStory


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "layout",
        help="write a layout for Foxglove, Lichtblick, PlotJuggler, RViz, rqt or Rerun",
        description="The file shows returns, what the agent learns by, latencies, the guard, the joints, the body, "
        "pictures and what the world model expects, without anything drawn by hand. Of a run that has begun it shows "
        "all figures that its agent reports.",
    )
    parser.add_argument("kind", metavar="KIND", choices=LAYOUTS, help=f"one of {', '.join(LAYOUTS)}")
    parser.add_argument("task", metavar="TASK", nargs="?", help=TASK_HELP)
    parser.add_argument(
        "--run", dest="folder", type=folder_path, metavar="DIR", help="the run to look at, in place of a TASK"
    )
    parser.add_argument(
        "--out", type=file_to_write, metavar="FILE", help="the file to write (default: named after robot and tool)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the layout, and say how it is opened."""
    if (args.task is None) == (args.folder is None):
        raise ConfigError("name either a TASK or a run's folder with --run")
    config, learned_by = _described(args)
    if config.task.is_public or config.members:
        raise ConfigError(f"{config.task.name} has no topics to look at: robot-mbrl report shows what it has learned")
    layout = LAYOUTS[args.kind]
    out: Path = args.out or Path(f"{config.robot.name}.{layout.suffix}")
    seen = overview(config, learned_by)
    out.write_bytes(layout.write(seen))
    print(f"layout: {out}\nopen it: {layout.opened.format(file=out, space=seen.namespace)}")
    return 0


def _described(args: argparse.Namespace) -> tuple[RunConfig, tuple[str, ...]]:
    """The run's description, and the figures that its agent has reported so far."""
    if args.folder is None:
        return load_task(args.task), ()
    story = RunStory(RunFolder.open(args.folder))
    return load_run(story.folder.path), tuple(story.learned_by())
