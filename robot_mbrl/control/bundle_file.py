"""Opening a policy bundle: nothing drives a robot before its file, its specifications and its behaviour are checked."""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from pydantic import ValidationError

from robot_mbrl.bundles import DECIDED, FORMAT, METADATA_KEY, BundleMetadata, canary_inputs
from robot_mbrl.config import RunConfig
from robot_mbrl.control.onnx_session import RUNTIME_ERRORS, ProviderName, first_line, open_session
from robot_mbrl.errors import BundleError
from robot_mbrl.fingerprint import Fingerprint
from robot_mbrl.specs import ActionSpec, ObservationSpec, VectorSpec

BOUND_TOLERANCE = 1e-4
"""How far rounding may carry an action beyond [-1, 1]."""
PLAIN_SEED = 0
"""Draws the inputs of a bundle that carries no canary."""


class Bundle:
    """An opened bundle with the arrays it reads from and writes to, so that a step allocates nothing.

    Attributes:
        name: what errors call it: its file, or where it came from.
        metadata: what it says of itself.
        sha256: hash of the file.
        size_bytes: size of the file.
        inputs: arrays by input name, each with a batch dimension of 1; those the graph has, to be filled in place.
        outputs: arrays by output name, overwritten by `run`.
        provider: what computes it.
    """

    def __init__(self, data: bytes, name: str, provider: ProviderName = "cpu") -> None:
        """Open a bundle and check that its graph is what its metadata say.

        Args:
            data: content of the ONNX file.
            name: what errors call it.
            provider: what is to compute it.

        Raises:
            BundleError: if it is damaged, not a bundle, or contradicts itself.
            ProviderError: if the provider cannot be used here.
        """
        self.name, self.provider = name, provider
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.size_bytes = len(data)
        # Only an opened file tells how many threads it wants.
        self._session = open_session(data, name, "cpu", threads=1)
        self.metadata = _read_metadata(self._session, name)
        if (threads := self.metadata.budget.threads) > 1 or provider != "cpu":
            self._session = open_session(data, name, provider, threads)
        inputs, outputs = _signature(self.metadata)
        present = [node.name for node in self._session.get_inputs()]
        given = {node.name for node in self._session.get_outputs()}
        _check_nodes(name, "input", self._session.get_inputs(), inputs)
        _check_nodes(name, "output", self._session.get_outputs(), outputs)
        if missing := set(outputs) - given - {DECIDED}:
            raise BundleError(f"{name}: outputs {sorted(missing)} are missing; export it again")
        self.inputs = {key: inputs[key] for key in present}
        self.outputs = {key: array for key, array in outputs.items() if key in given}
        # Bound once to memory shared with the arrays: 11 µs a step less than passing a dict to `run`.
        self._binding = self._session.io_binding()
        for key, array in self.inputs.items():
            self._binding.bind_ortvalue_input(key, onnxruntime.OrtValue.ortvalue_from_numpy(array))
        for key, array in self.outputs.items():
            self._binding.bind_ortvalue_output(key, onnxruntime.OrtValue.ortvalue_from_numpy(array))

    def run(self) -> None:
        """Compute the outputs from the inputs, in place.

        Raises:
            BundleError: if the graph cannot be run.
        """
        try:
            self._session.run_with_iobinding(self._binding)
        except RUNTIME_ERRORS as error:
            raise BundleError(f"{self.name}: cannot be run ({first_line(error)}); export it again") from error

    @property
    def decided(self) -> bool:
        """Whether the step just computed requests an action; there are policies that do not always."""
        return DECIDED not in self.outputs or bool(self.outputs[DECIDED][0] > 0.0)

    def carry_state(self) -> None:
        """Make the state just computed the input of the next step."""
        for key in self.metadata.state:
            if (state := self.inputs.get(f"state.{key}")) is not None:
                np.copyto(state, self.outputs[f"next_state.{key}"])


def load_bundle(path: Path, config: RunConfig) -> Bundle:
    """Open a bundle file that is sound, fits the run's robot and task, and behaves.

    Raises:
        BundleError: naming the file, what is wrong and the remedy.
    """
    return check_bundle(read_bundle(path), config)


def read_bundle(path: Path) -> Bundle:
    """Open a bundle file, unchecked against any robot.

    Raises:
        BundleError: if it cannot be read or is not a sound bundle.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}); give the path of a bundle") from error
    return Bundle(data, str(path))


def check_bundle(bundle: Bundle, config: RunConfig) -> Bundle:
    """Return the bundle if it fits the run's robot and task and behaves; it is warmed up by that.

    Raises:
        BundleError: naming the file, what is wrong and the remedy.
    """
    check_fit(bundle, config)
    check_behaviour(bundle)
    return bundle


def check_fit(bundle: Bundle, config: RunConfig) -> None:
    """Compare what the bundle was made for with the run's robot and task, and what its numbers mean with theirs.

    Raises:
        BundleError: if robot, task, control rate, observation, action or anything of the fingerprint differs, or the
            bundle has no fingerprint.
    """
    metadata, robot = bundle.metadata, config.robot
    remedy = f"use a bundle of task {config.task.name!r}, or start the nodes with the task it was made for"
    pairs = [
        ("robot", metadata.robot, robot.name),
        ("task", metadata.task, config.task.name),
        ("observations", _describe_observation(metadata.observation), _describe_observation(config.observation_spec())),
        ("actions", _describe_action(metadata.action), _describe_action(config.action_spec())),
        ("goals", _describe_vectors(metadata.goal), _describe_vectors(config.goal_spec())),
    ]
    for what, theirs, ours in pairs:
        if theirs != ours:
            raise BundleError(f"{bundle.name}: made for {what} {theirs}, here it is {ours}; {remedy}")
    if not math.isclose(metadata.control_rate_hz, robot.control_rate_hz, rel_tol=1e-6):
        raise BundleError(
            f"{bundle.name}: made for {metadata.control_rate_hz} Hz, here it is {robot.control_rate_hz} Hz; {remedy}"
        )
    _check_meaning(bundle, config)


def _check_meaning(bundle: Bundle, config: RunConfig) -> None:
    fingerprint = bundle.metadata.fingerprint
    if fingerprint is None:
        raise BundleError(
            f"{bundle.name}: does not say what its numbers mean, as bundles of older versions; learn it anew with this "
            f"version, whose bundles do"
        )
    if differences := fingerprint.differences(Fingerprint.of(config)):
        raise BundleError(
            f"{bundle.name}: its numbers mean something else here: {'; '.join(differences)}. Start the nodes with the "
            f"YAML it was learned with, or learn anew with this one"
        )


def check_behaviour(bundle: Bundle) -> None:
    """Run the canary, then a start of an episode with exploration; the inputs are left as they were: zeros.

    Raises:
        BundleError: if an output is not finite, an action is out of bounds, or the canary's action is not reproduced.
    """
    canary = bundle.metadata.canary
    inputs = canary_inputs(bundle.metadata, canary.seed if canary else PLAIN_SEED)
    for key, array in bundle.inputs.items():
        np.copyto(array, inputs[key])
    bundle.run()
    _check_outputs(bundle)
    action = bundle.outputs["action"][0]
    if canary is not None:
        expected = np.array(canary.action, np.float32)
        error = float(np.abs(action - expected).max()) if expected.shape == action.shape else math.inf
        if error > canary.tolerance:
            raise BundleError(
                f"{bundle.name}: the canary gives {action.tolist()}, the learner's model gave {expected.tolist()}; "
                "the weights are damaged or this ONNX Runtime computes differently: send it again, or export it anew"
            )
    bundle.carry_state()
    for key in ("is_first", "explore"):
        if key in bundle.inputs:
            bundle.inputs[key].fill(1)
    bundle.run()
    _check_outputs(bundle)
    for array in bundle.inputs.values():
        array.fill(0)


def _read_metadata(session: onnxruntime.InferenceSession, name: str) -> BundleMetadata:
    entry = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if entry is None:
        raise BundleError(
            f"{name}: an ONNX file without metadata {METADATA_KEY!r}, so no policy bundle; export it again"
        )
    try:
        number = json.loads(entry).get("format")
    except (ValueError, AttributeError):
        number = None
    if isinstance(number, int) and number != FORMAT:
        raise BundleError(
            f"{name}: metadata field format is {number}, this version reads {FORMAT}: run it with the version that "
            f"wrote it, or learn anew (robot-mbrl train --offline from the recordings of its run)"
        )
    try:
        metadata = BundleMetadata.model_validate_json(entry)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'JSON'}: {e['msg']}" for e in error.errors())
        raise BundleError(f"{name}: its metadata cannot be read ({problems}); export it with this version") from error
    return metadata


def _signature(metadata: BundleMetadata) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Zeroed arrays for every input and output that a bundle of this metadata may have."""
    zeros = {key: np.zeros_like(array) for key, array in canary_inputs(metadata, PLAIN_SEED).items()}
    outputs = {"action": np.zeros((1, metadata.action.size), np.float32)}
    outputs |= {f"next_state.{key}": np.zeros((1, *t.shape), t.dtype) for key, t in metadata.state.items()}
    return zeros, outputs | {DECIDED: np.zeros(1, np.float32)}


def _check_nodes(name: str, kind: str, nodes: list[Any], arrays: dict[str, np.ndarray]) -> None:
    types = {"float32": "tensor(float)", "int64": "tensor(int64)", "uint8": "tensor(uint8)", "uint16": "tensor(uint16)"}
    for node in nodes:
        if node.name not in arrays:
            raise BundleError(f"{name}: {kind} {node.name!r} is not in its metadata; it is made for another version")
        array = arrays[node.name]
        # A dimension that the exporter left symbolic is settled by the first run.
        fixed = [own if isinstance(own, int) else given for own, given in zip(node.shape, array.shape, strict=False)]
        if node.type != types[array.dtype.name] or len(node.shape) != array.ndim or tuple(fixed) != array.shape:
            raise BundleError(
                f"{name}: {kind} {node.name!r} is {node.type} {node.shape}, its metadata say "
                f"{types[array.dtype.name]} {list(array.shape)}; export it again"
            )


def _check_outputs(bundle: Bundle) -> None:
    for key, array in bundle.outputs.items():
        if not np.isfinite(array).all():
            raise BundleError(f"{bundle.name}: {key} is not finite; its training has diverged: use an older bundle")
    if not bundle.decided:
        raise BundleError(f"{bundle.name}: finds no action; its training has diverged: use an older bundle")
    action = bundle.outputs["action"][0]
    if bundle.metadata.action.discrete:
        sound = sorted(action) == [0.0] * (action.size - 1) + [1.0]
    else:
        sound = bool((np.abs(action) <= 1 + BOUND_TOLERANCE).all())
    if not sound:
        raise BundleError(
            f"{bundle.name}: action {action.tolist()} is no {bundle.metadata.action.kind} action; export it again"
        )


def _describe_observation(spec: ObservationSpec) -> dict[str, object]:
    images = {key: f"{image.width}x{image.height} {image.encoding}" for key, image in spec.images.items()}
    return {**_describe_vectors(spec.vectors), **images}


def _describe_vectors(vectors: Mapping[str, VectorSpec]) -> dict[str, list[str]]:
    return {key: [f"{e.name} [{e.unit}]" for e in vector.elements] for key, vector in vectors.items()}


def _describe_action(spec: ActionSpec) -> str:
    units = spec.units or ("",) * spec.size
    return f"{spec.kind} " + ", ".join(f"{name} [{unit}]" for name, unit in zip(spec.names, units, strict=True))
