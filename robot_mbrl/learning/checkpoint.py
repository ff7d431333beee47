"""Checkpoints: everything a learner needs to go on as if it had never stopped, written atomically and without pickle.

A checkpoint is `checkpoint.json` (counters, random states, names of the other files), `weights-<n>.safetensors`
(networks, optimiser moments and a probe of them) and `replay-<n>.npz` (with the segments it shares with others). The
JSON is renamed into place last, and the checkpoint before is removed only when all of the new one has been read back.

A checkpoint is bound to what its weights mean: the run's fingerprint, and the agent's settings that say what the
weights are. How they are learned may be changed between two runs.
"""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialize

from robot_mbrl.agent_config import AgentConfig
from robot_mbrl.durable import written_durably
from robot_mbrl.errors import CheckpointError, ExperienceError
from robot_mbrl.experience.replay import Replay
from robot_mbrl.fingerprint import ABSENT, Fingerprint
from robot_mbrl.learning import probe

if TYPE_CHECKING:
    from robot_mbrl.learning.learner import Learner

INDEX = "checkpoint.json"
_FORMAT = 4
_COUNTERS = ("robot_steps", "resting_steps", "updates", "policy_version")


def exists(run_folder: Path) -> bool:
    """Whether there is a checkpoint to resume from in the run's folder."""
    return (run_folder / "checkpoints" / INDEX).is_file()


def save(learner: "Learner") -> None:
    """Write a checkpoint of the learner, read it back, then remove the one before.

    Raises:
        CheckpointError: if the disk does not take it or gives back something else; the one before stays.
    """
    folder = learner.folder
    try:
        _save(learner, folder)
    except OSError as error:
        raise CheckpointError(f"{folder}: no checkpoint can be written ({error.strerror}); make room there") from error
    except ExperienceError as error:
        raise CheckpointError(f"{folder}: no checkpoint can be written: {error}") from error


def _save(learner: "Learner", folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    previous = _read_index(folder) if (folder / INDEX).is_file() else {}
    number = int(previous.get("number", 0)) + 1
    weights, replay = f"weights-{number}.safetensors", f"replay-{number}.npz"
    content = serialize(_tensors(learner))
    with written_durably(folder / weights) as file:
        file.write(content)
    sha256 = hashlib.sha256(content).hexdigest()
    if _hash(folder / weights) != sha256:
        raise CheckpointError(f"{folder / weights}: the disk gives back something else than was written; look after it")
    learner.replay.save(folder / replay)
    index = {
        "format": _FORMAT,
        "number": number,
        "weights": weights,
        "sha256": sha256,
        "replay": replay,
        "run_id": learner.run_id,
        "fingerprint": Fingerprint.of(learner.config).model_dump(mode="json"),
        "agent": _binding(learner),
        "device": learner.device.type,
        "counters": {name: getattr(learner, name) for name in _COUNTERS},
        "credit": learner.credit,
        "optimizer_updates": learner.optimizer.updates,
        "numpy_rng": learner.rng.bit_generator.state,
    }
    with written_durably(folder / INDEX) as file:
        file.write(json.dumps(index).encode())
    if _read_index(folder) != index:
        raise CheckpointError(f"{folder / INDEX}: the disk gives back something else than was written; look after it")
    # Also what a learner left that was killed between two of these steps.
    for old in {*folder.glob("weights-*.safetensors*"), *folder.glob("replay-*.npz*")}:
        if old.name not in (weights, replay):
            old.unlink(missing_ok=True)


def load(learner: "Learner") -> None:
    """Restore a freshly made learner from the newest checkpoint in its folder.

    Raises:
        CheckpointError: if there is none, it is damaged, its weights mean something else in this run, or they do not do
            what they did when they were saved.
    """
    folder = learner.folder
    index = _read_index(folder)
    _check_meaning(folder / INDEX, index, learner)
    weights = folder / index["weights"]
    try:
        if _hash(weights) != index["sha256"]:
            raise CheckpointError(f"{weights}: damaged, or not of {INDEX}: its hash differs; restore it from a copy")
        tensors = load_file(weights, device=str(learner.device))
        learner.agent.load_state_dict(_with_prefix(tensors, "agent."))
        if index["device"] == learner.device.type:
            learner.generator.set_state(tensors["generator"].cpu())
        else:  # another kind of generator, which cannot go on where this one was: a new sequence, also reproducible
            learner.generator.manual_seed(learner.config.seed + index["counters"]["updates"])
        _load_moments(learner, tensors)
        _check_probe(weights, learner, _with_prefix(tensors, "probe."))
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"{weights}: damaged, or of another version of robot-mbrl: {error}") from error
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
    """What the fingerprint does not say of the weights: their sizes, and the order of what they read."""
    return learner.config.agent.meaning() | {"observe": list(learner.config.task.observe)}


def _check_meaning(path: Path, index: dict[str, Any], learner: "Learner") -> None:
    try:
        saved = Fingerprint.model_validate(index["fingerprint"])
    except (KeyError, ValidationError) as error:
        raise CheckpointError(f"{path}: damaged: its fingerprint cannot be read ({error})") from error
    changed = saved.differences(Fingerprint.of(learner.config))
    then, here = index["agent"], _binding(learner)
    # A setting that the saved run did not know yet had its default.
    then = AgentConfig().meaning() | then
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


def _check_probe(path: Path, learner: "Learner", saved: dict[str, torch.Tensor]) -> None:
    config = learner.config
    found = probe.differences(
        learner.agent, config.observation_spec(), config.action_spec(), {n: t.cpu() for n, t in saved.items()}
    )
    if found:
        raise CheckpointError(
            f"{path}: the agent does not do what it did when it was saved: {'; '.join(found)}. Nothing goes on from "
            f"it: resume with the versions of robot-mbrl and torch that saved it, or start a new run"
        )


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tensors(learner: "Learner") -> dict[str, torch.Tensor]:
    tensors = {f"agent.{name}": value for name, value in learner.agent.state_dict().items()}
    tensors["generator"] = learner.generator.get_state()
    for number, state in learner.optimizer.adam.state_dict()["state"].items():
        tensors |= {f"adam.{number}.{name}": value for name, value in state.items()}
    config = learner.config
    probed = probe.take(learner.agent, config.observation_spec(), config.action_spec())
    tensors |= {f"probe.{name}": value for name, value in probed.items()}
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
        raise CheckpointError(
            f"{path}: not a checkpoint of this version of robot-mbrl; resume with the version that wrote it, or start "
            f"a new run and put the recordings of this one into its bags/"
        )
    return index
