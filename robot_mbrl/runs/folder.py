"""The folder of one run: where everything it leaves behind lies."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from robot_mbrl.errors import ConfigError

if TYPE_CHECKING:
    from robot_mbrl.config import RunConfig

RUNS = Path("runs")
"""Where runs go that were given no folder, relative to the working directory."""


@dataclass(frozen=True)
class RunFolder:
    """Paths in a run's folder; made by `create`, reopened by `open`."""

    path: Path

    @classmethod
    def create(cls, config: "RunConfig", path: Path | None = None) -> Self:
        """Make the folder of a new run and write its resolved configuration there.

        Args:
            config: what the run is defined by.
            path: the folder; None for `runs/<task>-<date>-seed<seed>`.

        Raises:
            ConfigError: if the folder already holds a run or cannot be made.
        """
        # Here as in `newest`, and not at the top: whoever stops a robot waits for no model to be built.
        from robot_mbrl.config import save_run
        from robot_mbrl.runs.versions import versions

        if path is None:
            path = RUNS / f"{config.task.name}-{datetime.now():%Y%m%d-%H%M%S}-seed{config.seed}"
        # Nodes run with this path as a parameter, and a relative one would depend on where they were started.
        folder = cls(path.absolute())
        try:
            if folder.config.exists():
                raise ConfigError(
                    f"{path} already holds a run: continue it with --resume, or name another folder with --run"
                )
            for directory in (folder.path, folder.bags, folder.checkpoints, folder.logs):
                directory.mkdir(parents=True, exist_ok=True)
            write_json(folder.versions, versions())
            # Last, and whole or not at all: where the disk is full, half of it would be in the way of the next try.
            partial = folder.config.with_name(f".{folder.config.name}.partial")
            save_run(config, partial)
            partial.replace(folder.config)
        except OSError as error:
            raise ConfigError(
                f"{folder.path} cannot be made a run's folder: {error.strerror}; name another one with --run"
            ) from error
        return folder

    @classmethod
    def open(cls, path: Path) -> Self:
        """The folder of an existing run.

        Raises:
            ConfigError: if there is no run in it, or it cannot be read.
        """
        folder = cls(path.absolute())
        try:
            found, is_there, is_folder = folder.config.is_file(), path.exists(), path.is_dir()
        except OSError as error:
            raise ConfigError(f"{path} cannot be opened: {error.strerror}") from error
        if not is_there:
            raise ConfigError(f"{path} is not there: name the folder of a run, as they lie below {RUNS}/")
        if not is_folder:
            raise ConfigError(f"{path} is a file: name the folder of a run")
        if not found:
            raise ConfigError(f"{path} is not a run folder: it has no config.yaml")
        return folder

    @classmethod
    def newest(cls, task: str | None = None, root: Path = RUNS) -> Self:
        """The run under `root` that was started last, of one task or of any; those that cannot be read are no runs.

        Raises:
            ConfigError: if there is none.
        """
        from robot_mbrl.config import load_run

        configs = root.glob("*/config.yaml")
        for config in sorted(configs, key=lambda path: path.stat().st_mtime, reverse=True):
            with suppress(ConfigError):
                found = load_run(config).task.name
                if task in (None, found):
                    return cls.open(config.parent)
        raise ConfigError(f"no run{f' of {task}' if task else ''} under {root}{os.sep}; name its folder with --run")

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    def member(self, task: str) -> "RunFolder":
        """The folder of one of several tasks that the run learns, in which its policy lies as in any run's."""
        return RunFolder(self.path / "tasks" / task)

    @property
    def processes(self) -> Path:
        """Process id of every running node, by name."""
        return self.path / "processes.json"

    @property
    def environment(self) -> Path:
        """The ROS variables the nodes run with, which another terminal needs to join them."""
        return self.path / "environment.json"

    @property
    def versions(self) -> Path:
        """What the run was begun with: versions of the project and of what it computes with."""
        return self.path / "versions.json"

    @property
    def metrics(self) -> Path:
        """One JSON line per episode, learner report and guard report."""
        return self.path / "metrics.jsonl"

    @property
    def journal(self) -> Path:
        """What was done to the run: two JSON lines per command, see `journal`."""
        return self.path / "journal.jsonl"

    @property
    def evaluation(self) -> Path:
        """The same lines from the evaluation of the finished policy."""
        return self.path / "evaluation.jsonl"

    @property
    def summary(self) -> Path:
        """The run in a few figures."""
        return self.path / "summary.json"

    @property
    def bags(self) -> Path:
        """What the robot lived through, one MCAP file per session."""
        return self.path / "bags"

    @property
    def bundles(self) -> Path:
        """The robot's store of verified policy bundles, in simulation."""
        return self.path / "bundles"

    @property
    def checkpoints(self) -> Path:
        """What the learner resumes from."""
        return self.path / "checkpoints"

    @property
    def policy(self) -> Path:
        """The newest policy bundle."""
        return self.path / "policy.onnx"

    @property
    def tensorboard(self) -> Path:
        """Event files of the metrics."""
        return self.path / "tensorboard"

    @property
    def curve(self) -> Path:
        """Picture of the returns over time."""
        return self.path / "curve.png"

    @property
    def video(self) -> Path:
        """Video of the robot, where one was asked for."""
        return self.path / "video.mp4"

    @property
    def logs(self) -> Path:
        """What each node printed."""
        return self.path / "logs"

    @property
    def ros_logs(self) -> Path:
        """What ROS itself writes of each process."""
        return self.logs / "ros"

    def read_summary(self) -> dict[str, Any]:
        """The summary's figures; empty before there are any."""
        return read_json(self.summary)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; empty where the file is missing or not (yet) complete."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replace a file by a JSON object, atomically: a reader sees the old one or the new one.

    Not synced to the disk, as `durable` does: these files are shown, nothing is resumed from them, and several are
    written while a robot's nodes share the disk.
    """
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
