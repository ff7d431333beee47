"""Checkpoints: everything a learner needs to go on as if it had never stopped, written atomically and without pickle.

A checkpoint is `checkpoint.json` (what the weights mean, numbers, names of the other files), `weights-<n>.safetensors`
(every tensor) and `replay-<n>.npz` (with the files it shares with others). The JSON is renamed into place last, and
the checkpoint before is removed only when all of the new one has been read back.

A checkpoint is bound to what its weights mean: the run's fingerprint, and the agent's settings that say what the
weights are. How they are learned may be changed between two runs.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialize

from robot_mbrl.config import RunConfig
from robot_mbrl.durable import written_durably
from robot_mbrl.errors import CheckpointError, ExperienceError
from robot_mbrl.experience.replay import Replay
from robot_mbrl.fingerprint import ABSENT, Fingerprint
from robot_mbrl.learning import state_tree

INDEX = "checkpoint.json"
_FORMAT = 5
_FIELDS = {"number": int, "weights": str, "replay": str, "sha256": str, "fingerprint": dict, "agent": dict}
"""What a checkpoint's index holds besides `state`, whose form `state_tree` knows."""
REMEDY = "restore the folder from a copy, or move it away: the run then learns again from its recordings"
"""What to do about one that is damaged."""


@dataclass(frozen=True)
class Checkpoint:
    """What lies in a folder to go on from."""

    state: dict[str, Any]
    """Nested, tensors on the CPU."""
    weights: Path
    replay: Path


def exists(run_folder: Path) -> bool:
    """Whether there is a checkpoint to resume from in the run's folder."""
    return (run_folder / "checkpoints" / INDEX).is_file()


class Snapshot:
    """A learner at one moment as a checkpoint, until it is written."""

    def __init__(self, folder: Path, config: RunConfig, state: Mapping[str, Any], replay: Replay) -> None:
        """Copy all that learning changes; nothing is written yet.

        Args:
            folder: where checkpoints lie.
            config: the run, for what the weights mean.
            state: nested, of what `state_tree.split` takes.
            replay: what was lived.

        Raises:
            CheckpointError: if the checkpoint before cannot be read.
        """
        self._folder = folder
        previous = _read_index(folder) if (folder / INDEX).is_file() else {}
        number = int(previous.get("number", 0)) + 1
        tree, tensors = state_tree.split(state)
        self._tensors = {name: _copy(tensor) for name, tensor in tensors.items()}
        self._weights, self._replay = folder / f"weights-{number}.safetensors", folder / f"replay-{number}.npz"
        index = {
            "format": _FORMAT,
            "number": number,
            "weights": self._weights.name,
            "replay": self._replay.name,
            "fingerprint": Fingerprint.of(config).model_dump(mode="json"),
            "agent": _binding(config),
            "state": tree,
        }
        self._index = json.dumps(index)
        self._replay_snapshot = replay.snapshot(self._replay)

    def write(self) -> None:
        """Write it, read it back, then remove the checkpoint before; in any thread.

        Raises:
            CheckpointError: if the disk does not take it or gives back something else; the one before stays.
        """
        folder = self._folder
        try:
            self._write(folder)
        except OSError as error:
            raise CheckpointError(
                f"{folder}: no checkpoint can be written ({error.strerror}); make room there"
            ) from error
        except ExperienceError as error:
            raise CheckpointError(f"{folder}: no checkpoint can be written: {error}") from error

    def _write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._replay_snapshot.write()
        content = serialize(self._tensors)
        with written_durably(self._weights) as file:
            file.write(content)
        sha256 = hashlib.sha256(content).hexdigest()
        if _hash(self._weights) != sha256:
            raise CheckpointError(
                f"{self._weights}: the disk gives back something else than was written; look after it"
            )
        index = json.loads(self._index) | {"sha256": sha256}
        with written_durably(folder / INDEX) as file:
            file.write(json.dumps(index).encode())
        if _read_index(folder) != index:
            raise CheckpointError(
                f"{folder / INDEX}: the disk gives back something else than was written; look after it"
            )
        # Also what a learner left that was killed between two of these steps.
        for old in {*folder.glob("weights-*.safetensors*"), *folder.glob("replay-*.npz*")}:
            if old not in (self._weights, self._replay):
                old.unlink(missing_ok=True)
        self._replay_snapshot.prune()


def _copy(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to("cpu", copy=True).contiguous()


def load(folder: Path, config: RunConfig) -> Checkpoint:
    """Read the newest checkpoint; its replay is only named, for `Replay.restore`.

    Raises:
        CheckpointError: if there is none, it is damaged, or its weights mean something else in this run.
    """
    index = _read_index(folder)
    _check_meaning(folder / INDEX, index, config)
    weights = folder / index["weights"]
    try:
        if _hash(weights) != index["sha256"]:
            raise CheckpointError(f"{weights}: damaged, or not of {INDEX}: its hash differs; {REMEDY}")
        tensors: dict[str, torch.Tensor] = load_file(weights)
        return Checkpoint(state_tree.join(index["state"], tensors), weights, folder / index["replay"])
    except (OSError, SafetensorError, KeyError) as error:
        raise damaged(weights, error) from error


def damaged(path: Path, error: Exception) -> CheckpointError:
    """What to raise where a part of a checkpoint cannot be used."""
    return CheckpointError(f"{path}: damaged, or of another version of robot-mbrl: {error}; {REMEDY}")


def _binding(config: RunConfig) -> dict[str, Any]:
    """What the fingerprint does not say of the weights: their sizes, and the order of what they read."""
    return config.agent.meaning() | {"observe": list(config.task.observe)}


def _check_meaning(path: Path, index: dict[str, Any], config: RunConfig) -> None:
    try:
        saved = Fingerprint.model_validate(index["fingerprint"])
    except (KeyError, ValidationError) as error:
        raise CheckpointError(f"{path}: damaged: its fingerprint cannot be read ({error})") from error
    changed = saved.differences(Fingerprint.of(config))
    then, here = index["agent"], _binding(config)
    if then.get("family") == config.agent.family:
        # A setting that the saved run did not know yet had its default.
        then = type(config.agent)().meaning() | then
    else:
        then, here = ({"family": binding.get("family")} for binding in (then, here))
    changed += [
        f"agent.{name} was {then.get(name, ABSENT)!r}, here it is {here.get(name, ABSENT)!r}"
        for name in sorted(then.keys() | here.keys())
        if then.get(name) != here.get(name)
    ]
    if changed:
        raise CheckpointError(
            f"{path}: its weights mean something else here: {'; '.join(changed)}. Go back to the settings it was "
            f"learned with, or start a new run"
        )


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_index(folder: Path) -> dict[str, Any]:
    path = folder / INDEX
    try:
        index = json.loads(path.read_text())
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no checkpoint to resume from") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged: {error}; {REMEDY}") from error
    if not isinstance(index, dict) or index.get("format") != _FORMAT:
        raise CheckpointError(
            f"{path}: not a checkpoint of this version of robot-mbrl; resume with the version that wrote it, or start "
            f"a new run and put the recordings of this one into its bags/"
        )
    if lost := sorted(name for name, kind in _FIELDS.items() if not isinstance(index.get(name), kind)):
        raise CheckpointError(f"{path}: damaged: {', '.join(lost)} missing or wrong; {REMEDY}")
    return index
