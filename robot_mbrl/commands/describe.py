"""`robot-mbrl describe`: what a task's graph looks like from outside."""

import argparse
import json
from typing import Any

from robot_mbrl import topics
from robot_mbrl.commands.options import TASK_HELP, Subparsers, add_json
from robot_mbrl.config import CommandConfig, RobotConfig, RunConfig, load_run
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
    topics.TELEOP,
    topics.TAKEOVER,
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
    for tells in config.task.goal_topics:
        named[tells.topic] = {"name": _absolute(tells.topic, space), "type": tells.type}
    low = 0.0 if spec.discrete else -1.0
    teleop = config.robot.teleop
    joystick = {} if teleop is None else {"joystick": teleop.model_dump() | {"topic": _absolute(teleop.topic, space)}}
    return {
        "task": config.task.name,
        "description": config.task.description,
        "robot": config.robot.name,
        "namespace": space,
        "control_rate_hz": config.robot.control_rate_hz,
        "topics": named,
        "sensors": _sensors(config.robot, space),
        "action": [{"name": name, "low": low, "high": 1.0} for name in spec.names],
        "values": _values(config),
        "commands": [_command(command, space) for command in config.robot.commands],
        "conditions": [
            condition.model_dump(exclude_none=True) | {"name": condition.name}
            for condition in config.robot.guard.conditions
        ],
        "sources": {source.name.lower(): int(source) for source in Source},
    } | joystick


def _values(config: RunConfig) -> list[dict[str, Any]]:
    """What is read from the sensors and computed by the task, and whether the agent sees it."""
    rows = [
        {"vector": vector, "source": source}
        | value.model_dump(exclude={"source"}, exclude_none=True)
        | {"observed": vector in config.task.observe}
        for vector, source, value in config.robot.values()
    ]
    for group, spec in config.computed_spec().items():
        for element in spec.elements:
            rows.append({"vector": group, "source": None} | element.model_dump())
            rows[-1]["observed"] = group in config.task.observe
    return rows


def _command(command: CommandConfig, space: str) -> dict[str, Any]:
    """A command topic: its joints with their ranges, what comes between a request and them, and what else is sent."""
    joints = command.joints
    described: dict[str, Any] = {
        "topic": _absolute(command.topic, space),
        "type": command.type,
        "joints": [joint.name for joint in joints],
        "low": [joint.low for joint in joints],
        "high": [joint.high for joint in joints],
    }
    if command.filter is not None:
        described["filter"] = command.filter.model_dump()
    if any(joint.max_offset is not None for joint in joints):
        described["max_offset"] = [joint.max_offset for joint in joints]
    if command.further:
        described |= {"interfaces": list(command.interfaces), "layout": command.layout}
        topics_of = command.interface_topics.items()
        described["interface_topics"] = {name: _absolute(topic, space) for name, topic in topics_of}
        for field, stopping in (("constants", False), ("stop_constants", True)):
            described[field] = {
                name: [command.constant(joint, name, stopping=stopping) for joint in joints] for name in command.further
            }
    return described


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
    print("\nvalues; what the agent does not see in brackets")
    _print_values(description["values"])
    print("\naction")
    for action in description["action"]:
        _print_row(action["name"], f"{action['low']:g} to {action['high']:g}")
    print("\ncommands, which the driver subscribes to")
    for command in description["commands"]:
        _print_row(command["topic"], command["type"])
        for index, joint in enumerate(command["joints"]):
            _print_row("", f"{joint} {_range(command, index)}")
        _print_command(command)
    if "joystick" in description:
        _print_joystick(description["joystick"])
    if description["conditions"]:
        print("\nconditions, or the robot stops")
    for condition in description["conditions"]:
        _print_row(condition["name"], _comparison(condition))


def _print_joystick(joystick: dict[str, Any]) -> None:
    picks = joystick["choices"].items()
    if joystick["axes"] or any(pick["button"] is not None for _, pick in picks):
        held = "takeover" if joystick["dead_man"] is None else f"button {joystick['dead_man']}"
        print(f"\njoystick, by which a person takes over while {held} is held")
        _print_row(joystick["topic"], joystick["type"])
        for name, mapped in joystick["axes"].items():
            _print_row("", f"axis {mapped['axis']} moves {name}, times {mapped['scale']:g}")
        for name, pick in picks:
            if pick["button"] is not None:
                _print_row("", f"button {pick['button']} picks {name}; none, or two at once, {joystick['neutral']}")
    if keys := {pick["key"]: name for name, pick in picks if pick["key"] is not None}:
        print("\nkeys, by which a person drives who has taken over in the console")
        for key, name in keys.items():
            _print_row("", f"{key} picks {name}; none {joystick['neutral']}")


def _range(command: dict[str, Any], index: int) -> str:
    offset = command["max_offset"][index] if "max_offset" in command else None
    near = "" if offset is None else f", within {offset:g} of where it is"
    return f"{command['low'][index]:g} to {command['high'][index]:g}{near}"


def _print_command(command: dict[str, Any]) -> None:
    """What a command topic has besides its joints."""
    if "filter" in command:
        _print_row("", f"low-pass of order {command['filter']['order']} at {command['filter']['cutoff_hz']:g} Hz")
    for name, values in command.get("constants", {}).items():
        in_stop = command["stop_constants"][name]
        stop = "" if in_stop == values else f"; in a stop {_numbers(in_stop)}"
        _print_row(command["interface_topics"].get(name, ""), f"{name} {_numbers(values)}{stop}")


def _numbers(values: list[float]) -> str:
    return f"{values[0]:g}" if len(set(values)) == 1 else ", ".join(f"{value:g}" for value in values)


def _print_values(rows: list[dict[str, Any]]) -> None:
    """What is read and computed, a line each; what the agent does not see in brackets."""
    for row in rows:
        name = row["name"] if row["observed"] else f"({row['name']})"
        if row["source"] is None:
            _print_row(name, f"computed by the task {row['unit']}".rstrip())
            continue
        place = f"{row['field']} of {row['joint']}" if "joint" in row else row["field"]
        made = "" if row["transform"] == "none" else f", {row['transform']}"
        change = f", change within {row['difference_s']:g} s" if "difference_s" in row else ""
        _print_row(name, f"{row['source']}: {place}{made}{change} {row['unit']}".rstrip())


def _comparison(condition: dict[str, Any]) -> str:
    wanted = [f"{word} {condition[word]}" for word in ("equals", "above", "below") if word in condition]
    return " and ".join(wanted) + (", or a person must release it" if condition["latch"] else "")


def _print_row(name: str, text: str) -> None:
    """A line of two columns, which an ordinary terminal holds; a name that is long comes in a line before."""
    if len(name) >= NAME_COLUMNS - 3:
        print(f"  {name}")
        name = ""
    print(f"  {name:{NAME_COLUMNS - 2}}{text}")
