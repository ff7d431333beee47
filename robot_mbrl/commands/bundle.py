"""`robot-mbrl bundle show|check FILE`: what a policy bundle says of itself, and whether it may drive a robot."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from robot_mbrl.bundles import BundleMetadata
from robot_mbrl.commands.options import Subparsers, add_json
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import BundleError, ConfigError

if TYPE_CHECKING:
    from robot_mbrl.control.bundle_file import Bundle
    from robot_mbrl.control.bundle_provider import Timing

SOUND, UNSOUND = 0, 1


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("bundle", help="show or check a policy bundle")
    verbs = parser.add_subparsers(metavar="show|check", required=True)
    shower = verbs.add_parser("show", help="who made it, for what, and what it reads and gives")
    shower.add_argument("file", type=Path, metavar="FILE", help="an ONNX file, such as a run's policy.onnx")
    add_json(shower)
    shower.set_defaults(run=lambda args: show(args.file, as_json=args.json))
    checker = verbs.add_parser("check", help="run all the checks that a robot makes before it lets a bundle drive")
    checker.add_argument("file", type=Path, metavar="FILE", help="an ONNX file, such as a run's policy.onnx")
    checker.add_argument("--task", help="task or run that it must fit, as the robot's nodes are started with")
    checker.add_argument("--time", action="store_true", help="also measure what a step takes here, on a CPU")
    checker.add_argument("--json", action="store_true", help="with --time: print the milliseconds as JSON, and no more")
    checker.set_defaults(run=lambda args: check(args.file, args.task, timed=args.time, as_json=args.json))


def show(path: Path, *, as_json: bool = False) -> int:
    """Print what a bundle says of itself; returns 1 if it cannot be opened.

    Args:
        path: the bundle.
        as_json: whether it is printed for programs, as `described`.
    """
    # Here as in `check`, and not at the top: the command line must start without ONNX Runtime, which is an extra.
    from robot_mbrl.control.bundle_file import read_bundle

    console = Console(soft_wrap=True)
    try:
        bundle = read_bundle(path)
    except BundleError as error:
        if as_json:
            print(json.dumps({"file": str(path), "refused": str(error)}))
            return UNSOUND
        return _refuse(console, error)
    if as_json:
        print(json.dumps(described(bundle), indent=2))
        return SOUND
    console.print(_origin(bundle))
    console.print(_observations(bundle.metadata))
    console.print(_meaning(bundle.metadata))
    console.print(_tensors(bundle))
    return SOUND


def check(path: Path, task: str | None = None, *, timed: bool = False, as_json: bool = False) -> int:
    """Check a bundle as the robot does, against a task if one is named; returns 1 if the robot would refuse it.

    Args:
        path: the bundle.
        task: what the robot's nodes would be started with; see `load_run`.
        timed: whether what a step takes here is measured and held to the control rate, and to the task's deadline.
        as_json: whether what was measured is printed for programs, and nothing else.

    Raises:
        ConfigError: if there is no such task, or `as_json` without `timed`.
    """
    from robot_mbrl.control.bundle_file import check_behaviour, check_fit, read_bundle
    from robot_mbrl.control.bundle_provider import measure

    if as_json and not timed:
        raise ConfigError("--json prints what --time measures: give both")
    console = Console(soft_wrap=True, quiet=as_json)
    config = None if task is None else load_run(task)
    try:
        bundle = read_bundle(path)
        console.print("file, metadata and graph agree", style="green")
        if config is not None:
            check_fit(bundle, config)
            console.print(f"fits task {config.task.name} of robot {config.robot.name}", style="green")
        check_behaviour(bundle)
        cost = _cost(bundle, measure(bundle), config) if timed else None
    except BundleError as error:
        if as_json:
            print(json.dumps({"file": str(path), "refused": str(error)}))
        return _refuse(console, error)
    canary = "reproduces the learner's action" if bundle.metadata.canary else "no canary, but finite and within bounds"
    console.print(f"behaves: {canary}", style="green")
    if cost is None:
        return SOUND
    if as_json:
        print(json.dumps(cost))
    fast = cost["p50_ms"] <= cost["budget_ms"]
    console.print(
        f"a step takes {cost['p50_ms']:.3g} ms, 1 in 100 more than {cost['p99_ms']:.3g} ms, with {cost['threads']} "
        f"threads; it may take {cost['budget_ms']:.3g} ms" + ("" if fast else ": too slow for this machine"),
        style="green" if fast else "red",
    )
    return SOUND if fast else UNSOUND


def _cost(bundle: "Bundle", timing: "Timing", config: RunConfig | None) -> dict[str, float]:
    """What a step takes, and what it may: a period of its control rate, or less by the robot's deadline."""
    from robot_mbrl.control.bundle_provider import budget_ms

    metadata = bundle.metadata
    limit_ms = 1e3 / metadata.control_rate_hz if config is None else budget_ms(config.robot)
    return {**asdict(timing), "budget_ms": limit_ms, "threads": metadata.budget.threads}


def described(bundle: "Bundle") -> dict[str, Any]:
    """What a bundle says of itself: its metadata, file, size, hash, and the tensors that go in and out."""
    tensors = {
        kind: {name: {"shape": list(array.shape), "dtype": array.dtype.name} for name, array in arrays.items()}
        for kind, arrays in (("inputs", bundle.inputs), ("outputs", bundle.outputs))
    }
    about = {"file": bundle.name, "sha256": bundle.sha256, "size_bytes": bundle.size_bytes}
    return about | bundle.metadata.model_dump(mode="json") | tensors


def _refuse(console: Console, error: BundleError) -> int:
    console.print(f"refused: {error}", style="red", highlight=False, markup=False)
    return UNSOUND


def _origin(bundle: "Bundle") -> Table:
    metadata = bundle.metadata
    table = Table(title=bundle.name, show_header=False, title_justify="left")
    table.add_column()
    table.add_column(overflow="fold")
    rows = {
        "robot": metadata.robot,
        "task": metadata.task,
        "agent": metadata.agent,
        "run": metadata.run_id,
        "version": str(metadata.version),
        "updates": str(metadata.updates),
        "control rate": f"{metadata.control_rate_hz:g} Hz",
        "a step takes": _stated_cost(metadata),
        "canary": "none" if metadata.canary is None else f"within {metadata.canary.tolerance:g}",
        "size": f"{bundle.size_bytes / 1e6:.2f} MB",
        "sha256": bundle.sha256,
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _stated_cost(metadata: BundleMetadata) -> str:
    budget = metadata.budget
    rare = "" if budget.p99_ms is None else f", 1 in 100 more than {budget.p99_ms:.3g} ms,"
    return f"{budget.step_ms:.3g} ms{rare} where it was exported, threads: {budget.threads}"


def _observations(metadata: BundleMetadata) -> Table:
    table = Table("group", "name", "unit", "scale", title="what it observes and decides", title_justify="left")
    for group, vector in metadata.observation.vectors.items():
        for element in vector.elements:
            table.add_row(group, element.name, element.unit, f"{element.scale}")
    for name, image in metadata.observation.images.items():
        table.add_row(name, f"{image.height}x{image.width} picture", image.encoding, "")
    for group, goal in metadata.goal.items():
        for element in goal.elements:
            table.add_row(f"goal {group}", element.name, element.unit, f"{element.scale:g}")
    units = metadata.action.units or ("",) * metadata.action.size
    for name, unit in zip(metadata.action.names, units, strict=True):
        table.add_row(f"action ({metadata.action.kind})", name, unit, "")
    return table


def _meaning(metadata: BundleMetadata) -> Table:
    fingerprint = metadata.fingerprint
    if fingerprint is None:
        return Table(title="what its numbers mean: it does not say, so robots refuse it", title_justify="left")
    title = f"what its numbers mean (fingerprint {fingerprint.sha256[:12]})"
    table = Table("field", "value", title=title, title_justify="left")
    for name, value in fingerprint.fields.items():
        table.add_row(name, str(value))
    return table


def _tensors(bundle: "Bundle") -> Table:
    table = Table("", "tensor", "shape", "type", title="graph", title_justify="left")
    for kind, arrays in (("in", bundle.inputs), ("out", bundle.outputs)):
        for name, array in arrays.items():
            table.add_row(kind, name, "x".join(map(str, array.shape)), array.dtype.name)
    return table
