"""`robot-mbrl describe`: what a task's graph looks like from outside."""

import argparse
import json
from typing import Any

from robot_mbrl import topics
from robot_mbrl.commands.options import TASK_HELP, Subparsers, add_json
from robot_mbrl.config import RobotConfig, RunConfig, load_run
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
    topics.GOAL,
    topics.METRICS,
    topics.EPISODE,
    topics.GUARD,
    topics.STATE,
    topics.MOVING,
)
NAME_COLUMNS = 40
"""Where the types begin; names that are longer get a line of their own."""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("describe", help="show a task's topics, sensors, action, commands and limits")
    parser.add_argument("task", metavar="TASK", help=TASK_HELP)
    add_json(parser)
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
    """Topics by full name and type, sensors, actions, commands with limits, conditions, and the numbers of sources."""
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
        "sensors": _sensors(config.robot, space),
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
        "conditions": [
            condition.model_dump(exclude_none=True) | {"name": condition.name}
            for condition in config.robot.guard.conditions
        ],
        "sources": {source.name.lower(): int(source) for source in Source},
    }


def _sensors(robot: RobotConfig, space: str) -> dict[str, dict[str, Any]]:
    """What the driver must publish, by the name of the source, and how it is subscribed to."""
    return {
        name: {
            "topic": _absolute(source.topic, space),
            "type": source.type,
            "reliability": "reliable" if source.reliable or source.latched else "best effort",
            "durability": "transient local" if source.latched else "volatile",
            "max_age_s": source.max_age_s,
        }
        for name, source in robot.sources.items()
    }


def _absolute(topic: str, space: str) -> str:
    return topic if topic.startswith("/") else f"{space}/{topic}"


def _print_plainly(description: dict[str, Any]) -> None:
    print(f"{description['task']}: {description['description']}")
    print(f"robot {description['robot']}, namespace {description['namespace']}, {description['control_rate_hz']:g} Hz")
    print("\ntopics")
    for topic in description["topics"].values():
        _print_row(topic["name"], topic["type"])
    print("\nsensors, which the driver publishes")
    for sensor in description["sensors"].values():
        _print_row(sensor["topic"], sensor["type"])
        age_s = sensor["max_age_s"]
        age = "counts until the next" if age_s is None else f"stale after {age_s:g} s"
        _print_row("", f"{sensor['reliability']}, {sensor['durability']}; {age}")
    print("\naction")
    for action in description["action"]:
        _print_row(action["name"], f"{action['low']:g} to {action['high']:g}")
    print("\ncommands, which the driver subscribes to")
    for command in description["commands"]:
        _print_row(command["topic"], command["type"])
        for joint, low, high in zip(command["joints"], command["low"], command["high"], strict=True):
            _print_row("", f"{joint} {low:g} to {high:g}")
    if description["conditions"]:
        print("\nconditions, or the robot stops")
    for condition in description["conditions"]:
        _print_row(condition["name"], _comparison(condition))


def _comparison(condition: dict[str, Any]) -> str:
    wanted = [f"{word} {condition[word]}" for word in ("equals", "above", "below") if word in condition]
    return " and ".join(wanted) + (", or a person must release it" if condition["latch"] else "")


def _print_row(name: str, text: str) -> None:
    """A line of two columns, which an ordinary terminal holds; a name that is long comes in a line before."""
    if len(name) >= NAME_COLUMNS - 3:
        print(f"  {name}")
        name = ""
    print(f"  {name:{NAME_COLUMNS - 2}}{text}")
