"""Checkpoints: everything a learner needs to go on as if it had never stopped, written atomically and without pickle.

A checkpoint is `checkpoint.json` (counters, random states, names of the other files), `weights-<n>.safetensors`
(networks and optimiser moments) and `replay-<n>.npz` (with the segments it shares with others). The JSON is
renamed into place last; until then the checkpoint before is whole.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialize

from robot_mbrl.agent_config import AgentConfig
from robot_mbrl.durable import written_durably
from robot_mbrl.errors import CheckpointError, ExperienceError
from robot_mbrl.experience.replay import Replay

if TYPE_CHECKING:
    from robot_mbrl.learning.learner import Learner

INDEX = "checkpoint.json"
_FORMAT = 3
_COUNTERS = ("robot_steps", "resting_steps", "updates", "policy_version")
_FREE = frozenset({"threads", "device", "export_period_s", "checkpoint_period_s", "train_ratio", "max_debt_updates"})
"""Settings that a resumed run may have changed: they say how fast it learns, not what."""


def exists(run_folder: Path) -> bool:
    """Whether there is a checkpoint to resume from in the run's folder."""
    return (run_folder / "checkpoints" / INDEX).is_file()


def save(learner: "Learner") -> None:
    """Write a checkpoint of the learner, then remove the one before.

    Raises:
        CheckpointError: if the disk does not take it; the one before stays.
    """
    folder = learner.folder
    try:
        _save(learner, folder)
    except OSError as error:
        raise CheckpointError(f"{folder}: no checkpoint can be written ({error.strerror}); make room there") from error


def _save(learner: "Learner", folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    previous = _read_index(folder) if (folder / INDEX).is_file() else {}
    number = int(previous.get("number", 0)) + 1
    weights, replay = f"weights-{number}.safetensors", f"replay-{number}.npz"
    with written_durably(folder / weights) as file:
        file.write(serialize(_tensors(learner)))
    learner.replay.save(folder / replay)
    index = {
        "format": _FORMAT,
        "number": number,
        "weights": weights,
        "replay": replay,
        "run_id": learner.run_id,
        "agent": _binding(learner),
        "device": learner.device.type,
        "counters": {name: getattr(learner, name) for name in _COUNTERS},
        "credit": learner.credit,
        "optimizer_updates": learner.optimizer.updates,
        "numpy_rng": learner.rng.bit_generator.state,
    }
    with written_durably(folder / INDEX) as file:
        file.write(json.dumps(index).encode())
    for name in (previous.get("weights"), previous.get("replay")):
        if name:
            (folder / name).unlink(missing_ok=True)


def load(learner: "Learner") -> None:
    """Restore a freshly made learner from the newest checkpoint in its folder.

    Raises:
        CheckpointError: if there is none, or it is damaged or of another preset.
    """
    folder = learner.folder
    index = _read_index(folder)
    if changed := _differences(index["agent"], _binding(learner)):
        raise CheckpointError(f"{folder / INDEX}: saved with other settings of {', '.join(changed)}; start a new run")
    weights = folder / index["weights"]
    try:
        tensors = load_file(weights, device=str(learner.device))
        learner.agent.load_state_dict(_with_prefix(tensors, "agent."))
        if index["device"] == learner.device.type:
            learner.generator.set_state(tensors["generator"].cpu())
        else:  # another kind of generator, which cannot go on where this one was: a new sequence, also reproducible
            learner.generator.manual_seed(learner.config.seed + index["counters"]["updates"])
        _load_moments(learner, tensors)
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"{weights}: damaged or of another preset: {error}") from error
    config = learner.config
    try:
        learner.replay = Replay.load(
            folder / index["replay"],
            config.observation_spec(),
            config.action_spec(),
            config.agent.replay_capacity,
            learner.replay_state,
            step_ns=learner.step_ns,
        )
    except ExperienceError as error:
        raise CheckpointError(f"the checkpoint's replay cannot be used: {error}") from error
    for name in _COUNTERS:
        setattr(learner, name, index["counters"][name])
    learner.run_id = index["run_id"]
    learner.credit = index["credit"]
    learner.optimizer.updates = index["optimizer_updates"]
    learner.rng.bit_generator.state = index["numpy_rng"]


def _binding(learner: "Learner") -> dict[str, Any]:
    """The agent's settings that a checkpoint cannot be resumed without."""
    return learner.config.agent.model_dump(mode="json", exclude=set(_FREE))


def _differences(saved: dict[str, Any], mine: dict[str, Any]) -> list[str]:
    """Settings that differ; one that the saved run did not know yet had its default."""
    defaults = AgentConfig().model_dump(mode="json")
    names = saved.keys() | mine.keys()
    return sorted(name for name in names if saved.get(name, defaults.get(name)) != mine.get(name))


def _tensors(learner: "Learner") -> dict[str, torch.Tensor]:
    tensors = {f"agent.{name}": value for name, value in learner.agent.state_dict().items()}
    tensors["generator"] = learner.generator.get_state()
    for number, state in learner.optimizer.adam.state_dict()["state"].items():
        tensors |= {f"adam.{number}.{name}": value for name, value in state.items()}
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}


def _load_moments(learner: "Learner", tensors: dict[str, torch.Tensor]) -> None:
    state: dict[int, dict[str, Any]] = {}
    for name, value in _with_prefix(tensors, "adam.").items():
        number, moment = name.split(".", 1)
        state.setdefault(int(number), {})[moment] = value
    groups = learner.optimizer.adam.state_dict()["param_groups"]
    learner.optimizer.adam.load_state_dict({"state": state, "param_groups": groups})


def _with_prefix(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _read_index(folder: Path) -> dict[str, Any]:
    path = folder / INDEX
    try:
        index = json.loads(path.read_text())
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no checkpoint to resume from") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged: {error}") from error
    if not isinstance(index, dict) or index.get("format") != _FORMAT:
        raise CheckpointError(f"{path}: not a checkpoint of this version of robot-mbrl")
    return index
