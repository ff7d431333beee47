"""`robot-mbrl agents`: the agents that a run can learn with, and how big they are."""

import argparse
import json
from typing import Any

from rich.console import Console
from rich.table import Table

from robot_mbrl.commands.options import Subparsers, add_json
from robot_mbrl.config import AgentSettings, load_agent, packaged
from robot_mbrl.errors import ConfigError
from robot_mbrl.specs import ActionSpec, Element, ImageSpec, ObservationSpec, VectorSpec

VALUES, JOINTS = 24, 6
"""What parameters are counted for, as in the published tables: so many observed values, or one picture of 64x64x3; and
so many continuous actions."""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("agents", help="list the agents to learn with, and their sizes")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the list."""
    rows = describe()
    if args.json:
        print(json.dumps(rows, indent=2))
        return 0
    table = Table(box=None, pad_edge=False)
    for name in ("preset", "family", "description"):
        table.add_column(name, no_wrap=name == "preset")  # it is to be typed
    table.add_column(f"parameters, {VALUES} values", justify="right")
    table.add_column("64x64x3", justify="right")
    for row in rows:
        counts = (row["parameters"][kind] for kind in ("vector", "image"))
        sizes = ("–" if count is None else f"{count:,}" for count in counts)
        table.add_row(row["preset"], row["family"], row["description"], *sizes)
    Console().print(table)
    return 0


def describe() -> list[dict[str, Any]]:
    """Each packaged preset with its family, what it is for, and the numbers it learns, slow critics left out.

    Of agents that see no pictures the number for them is None.
    """
    # Not at the top: the command line must start without torch, which a robot does not have.
    from robot_mbrl.agents.families import count_parameters

    elements = tuple(Element(name=f"value_{index}") for index in range(VALUES))
    seen = {
        "vector": ObservationSpec(vectors={"values": VectorSpec(elements=elements)}),
        "image": ObservationSpec(images={"camera": ImageSpec()}),
    }
    action = ActionSpec(names=tuple(f"joint_{index}" for index in range(JOINTS)))

    def count(observation: ObservationSpec, settings: AgentSettings) -> int | None:
        try:
            return count_parameters(observation, action, settings)
        except ConfigError:
            return None

    rows = []
    for preset in packaged("presets"):
        settings = load_agent(preset)
        counted = {kind: count(observation, settings) for kind, observation in seen.items()}
        fields = {"preset": preset, "family": settings.family, "description": settings.description}
        rows.append({**fields, "parameters": counted})
    return rows
