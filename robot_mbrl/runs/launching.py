"""What launch files need of the table of nodes; plain types, since `launch` itself belongs to ROS."""

from pathlib import Path

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.scenario import NodeProcess, Options, scenario

ARGUMENTS = {
    "config": ("cartpole", "task name or path of a task's YAML; not read where run_dir holds a run"),
    "run_dir": ("~/robot_mbrl/run", "folder of the run on this computer"),
    "simulated": ("false", "whether the robot is a simulated one, which owns the clock and enables itself"),
    "speed": ("1.0", "simulated seconds per second"),
    "start_policy": ("", "what drives before a bundle has arrived: cached, random or hold; empty for the safe choice"),
}
"""Arguments of every launch file, each with its default and description."""


def launched(side: str, config: str, run_dir: str, simulated: str, speed: str, start_policy: str) -> list[NodeProcess]:
    """The nodes that one computer's launch file starts.

    Args:
        side: `sim`, `robot` or `workstation`.
        config: see `ARGUMENTS`, as the others.
        run_dir: its folder is made if it is missing.
        simulated: `true` or `false`.
        speed: a number.
        start_policy: may be empty.
    """
    run, folder = _open_or_create(config, Path(run_dir).expanduser())
    options = Options(speed=float(speed), seed=run.seed, start_policy=start_policy or None)
    return list(scenario(side, run, folder.path, options, simulated=simulated.lower() == "true"))


def _open_or_create(config: str, path: Path) -> tuple[RunConfig, RunFolder]:
    if (path / "config.yaml").is_file():
        return load_run(path), RunFolder.open(path)
    run = load_run(config)
    return run, RunFolder.create(run, path)
