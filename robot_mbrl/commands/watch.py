"""`robot-mbrl watch`: a page in a browser that shows a run, live or finished; it can change nothing."""

import argparse
import os
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from robot_mbrl.commands.options import Subparsers, folder_path, whole
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.environment import joining, node_environment, ros_environment
from robot_mbrl.runs.folder import RunFolder, read_json
from robot_mbrl.runs.running import living_nodes, running_runs

HOST, PORT = "127.0.0.1", 8080
LAST_PORT = 65535


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "watch",
        help="show a run in a browser, live or finished",
        description="Serves one page that reads and changes nothing: returns, what the agent learns by, the guard, "
        "latencies, pictures and what the world model expects. It is heard on this machine only unless --host says "
        "otherwise; whoever reaches it can look, so let it be heard on trusted networks only.",
    )
    parser.add_argument(
        "--run",
        dest="folder",
        type=folder_path,
        metavar="DIR",
        help="the run to look at (default: the newest running one)",
    )
    parser.add_argument("--port", type=_port, default=PORT, help="port to listen on (default %(default)s)")
    parser.add_argument("--host", default=HOST, help="address to listen on (default %(default)s; 0.0.0.0 for all)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve the page until interrupted."""
    folder = RunFolder.open(args.folder) if args.folder is not None else _newest()
    config = _read(folder)
    if config is not None and living_nodes(folder) and find_spec("rclpy") is not None:
        _become_node(args, folder, config)
    # Not at the top: the command line starts without what an extra brings.
    from robot_mbrl.views.board import Board
    from robot_mbrl.views.server import PageServer

    with PageServer(Board(folder), args.host, args.port) as server:
        print(f"watch it: {server.url}", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()
    return 0


def _newest() -> RunFolder:
    """The newest running run, or the newest of all."""
    return next(iter(running_runs()), None) or RunFolder.newest()


def _read(folder: RunFolder) -> RunConfig | None:
    """What the run is defined by; None where that is damaged, which the page says."""
    try:
        return load_run(folder.path)
    except ConfigError:
        return None


def _become_node(args: argparse.Namespace, folder: RunFolder, config: RunConfig) -> None:
    """Go on as the node that serves the page, in the ROS domain of the run; this does not return."""
    environment = dict(os.environ) | joining(read_json(folder.environment))
    command = [sys.executable, "-m", "ros_nodes.watch", "--run", str(folder.path)]
    command += ["--host", args.host, "--port", str(args.port)]
    if (urdf := _shape(config)) is not None:
        command += ["--urdf", str(urdf)]
    os.execve(sys.executable, command, node_environment(ros_environment(environment)))


def _shape(config: RunConfig) -> Path | None:
    """The URDF of a packaged robot; None of any other."""
    found = find_spec("sim")
    if found is None or not found.submodule_search_locations:
        return None
    path = Path(found.submodule_search_locations[0]) / "urdf" / f"{config.robot.name}.urdf"
    return path if path.is_file() else None


def _port(text: str) -> int:
    value = whole(text)
    if not 0 <= value <= LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text} is no port: 1 to {LAST_PORT}, or 0 for one that is free")
    return value
