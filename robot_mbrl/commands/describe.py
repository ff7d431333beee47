"""`robot-mbrl describe`: what a task's graph looks like from outside."""

import argparse
import json
from typing import Any

from robot_mbrl import topics
from robot_mbrl.commands.options import TASK_HELP, Subparsers
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.runs.scenario import namespace
from robot_mbrl.specs import Source

DESCRIBED = (
    topics.OBSERVATION,
    topics.ACTION,
    topics.APPLIED_ACTION,
    topics.POLICY,
    topics.BUNDLE,
    topics.ENABLE,
    topics.EMERGENCY_STOP,
    topics.FEEDBACK,
    topics.METRICS,
    topics.GUARD,
)


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("describe", help="show a task's topics, action, commands and limits")
    parser.add_argument("task", metavar="TASK", help=TASK_HELP)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the description."""
    description = describe(load_run(args.task))
    if args.json:
        print(json.dumps(description, indent=2))
    else:
        _print_plainly(description)
    return 0


def describe(config: RunConfig) -> dict[str, Any]:
    """Topics by full name and type, actions, commands with their limits, and the numbers of the sources."""
    space = namespace(config)
    spec = config.action_spec()
    named = {name: {"name": f"{space}/{name}", "type": topics.TYPES[name]} for name in DESCRIBED}
    for camera in config.observation_spec().images:
        named[topics.image(camera)] = {"name": f"{space}/{topics.image(camera)}", "type": "sensor_msgs/msg/Image"}
    low = 0.0 if spec.discrete else -1.0
    return {
        "task": config.task.name,
        "description": config.task.description,
        "robot": config.robot.name,
        "namespace": space,
        "control_rate_hz": config.robot.control_rate_hz,
        "topics": named,
        "action": [{"name": name, "low": low, "high": 1.0} for name in spec.names],
        "commands": [
            {
                "topic": _absolute(command.topic, space),
                "type": command.type,
                "joints": [joint.name for joint in command.joints],
                "low": [joint.low for joint in command.joints],
                "high": [joint.high for joint in command.joints],
            }
            for command in config.robot.commands
        ],
        "sources": {source.name.lower(): int(source) for source in Source},
    }


def _absolute(topic: str, space: str) -> str:
    return topic if topic.startswith("/") else f"{space}/{topic}"


def _print_plainly(description: dict[str, Any]) -> None:
    print(f"{description['task']}: {description['description']}")
    print(f"robot {description['robot']}, namespace {description['namespace']}, {description['control_rate_hz']:g} Hz")
    print("\ntopics")
    for topic in description["topics"].values():
        print(f"  {topic['name']:34} {topic['type']}")
    print("\naction")
    for action in description["action"]:
        print(f"  {action['name']:34} {action['low']:g} to {action['high']:g}")
    print("\ncommands")
    for command in description["commands"]:
        for joint, low, high in zip(command["joints"], command["low"], command["high"], strict=True):
            print(f"  {command['topic']:34} {command['type']}  {joint} {low:g} to {high:g}")
