"""Small real policy bundles for tests, with behaviour that can be told from the actions they give."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from robot_mbrl.bundles import DECIDED, METADATA_KEY, BundleMetadata, Canary, ComputeBudget, NoiseSpec, canary_inputs
from robot_mbrl.config import RunConfig
from robot_mbrl.fingerprint import Fingerprint
from robot_mbrl.specs import ObservationSpec, TensorSpec

HIDDEN = 512
_ELEMENT_TYPES = {"uint8": TensorProto.UINT8, "uint16": TensorProto.UINT16}


def make_metadata(config: RunConfig, **changes: Any) -> BundleMetadata:
    """Metadata that fits the run, with a counter as its state and one uniform noise; `changes` replace fields."""
    fields: dict[str, Any] = {
        "robot": config.robot.name,
        "task": config.task.name,
        "agent": "test",
        "run_id": "run-a",
        "version": 1,
        "updates": 10,
        "control_rate_hz": config.robot.control_rate_hz,
        "observation": config.observation_spec(),
        "action": config.action_spec(),
        "state": {"count": TensorSpec(shape=(1,))},
        "noise": {"action": NoiseSpec(shape=(1,), distribution="uniform")},
        "goal": config.goal_spec(),
        "budget": ComputeBudget(step_ms=0.1),
        "fingerprint": Fingerprint.of(config),
    }
    return BundleMetadata(**(fields | changes))


def make_bundle(
    config: RunConfig,
    *,
    previous: float = 0.0,
    explore: float = 0.0,
    count: float = 0.0,
    first: float = 0.0,
    noise: float = 0.0,
    bias: float = 0.0,
    goal: float = 0.0,
    nan_from_step: int | None = None,
    undecided_step: int | None = None,
    layers: int = 0,
    canary: bool = True,
    canary_error: float = 0.0,
    **changes: Any,
) -> bytes:
    """An ONNX bundle whose action is a clipped sum of what is asked for.

    action = clip(previous * prev_action + explore * explore + count * steps since is_first (0 at the first)
    + first * is_first + noise * noise + bias + goal * mean of each group of the goal + 0 * every observation, -1, 1),
    the same in each element.

    Args:
        config: the run that the bundle is made to fit.
        previous: weight of the previous action.
        explore: weight of the explore input.
        count: weight of the recurrent counter.
        first: weight of is_first.
        noise: weight of the noise input.
        goal: weight of the goal.
        bias: constant part; NaN makes a bundle that fails its checks.
        nan_from_step: the count from which actions are NaN, which a canary cannot see.
        undecided_step: the count at which no action is requested; None for a bundle that always requests one.
        layers: dense layers of 1 MiB each that are computed and not used, for size and duration.
        canary: whether the metadata carry a canary.
        canary_error: added to the canary's first expected value.
        changes: fields of the metadata that do not fit the run.
    """
    metadata = make_metadata(config, **changes)
    weights = {"previous": previous, "explore": explore, "count": count, "first": first, "noise": noise, "bias": bias}
    weights |= {"goal": goal} if metadata.goal else {}
    model = _graph(metadata, weights, nan_from_step, undecided_step, layers)
    if canary:
        seed = 7
        _set_metadata(model, metadata)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        action = session.run(["action"], canary_inputs(metadata, seed))[0][0]
        expected = tuple(float(value) for value in np.nan_to_num(action) + canary_error)
        metadata = metadata.model_copy(update={"canary": Canary(seed=seed, action=expected)})
    _set_metadata(model, metadata)
    return bytes(model.SerializeToString())


def change_metadata(data: bytes, **changes: Any) -> bytes:
    """A bundle with fields of its metadata replaced, unchecked."""
    model = onnx.load_from_string(data)
    (entry,) = model.metadata_props
    entry.value = json.dumps(json.loads(entry.value) | changes)
    return bytes(model.SerializeToString())


def write_bundle(path: Path, data: bytes) -> Path:
    """Write a bundle to a file and return its path."""
    path.write_bytes(data)
    return path


def _set_metadata(model: onnx.ModelProto, metadata: BundleMetadata) -> None:
    helper.set_model_props(model, {METADATA_KEY: metadata.model_dump_json()})


def _inputs(metadata: BundleMetadata) -> list[onnx.ValueInfoProto]:
    spec: ObservationSpec = metadata.observation
    make = helper.make_tensor_value_info
    vectors = [make(f"observation.{n}", TensorProto.FLOAT, (1, v.size)) for n, v in spec.vectors.items()]
    images = [
        make(f"observation.{n}", _ELEMENT_TYPES[np.dtype(i.dtype).name], (1, *i.shape)) for n, i in spec.images.items()
    ]
    return [
        *vectors,
        *images,
        make("prev_action", TensorProto.FLOAT, (1, metadata.action.size)),
        make("is_first", TensorProto.FLOAT, (1,)),
        make("explore", TensorProto.FLOAT, (1,)),
        *(make(f"goal.{n}", TensorProto.FLOAT, (1, v.size)) for n, v in metadata.goal.items()),
        *(make(f"noise.{n}", TensorProto.FLOAT, (1, *s.shape)) for n, s in metadata.noise.items()),
        *(make(f"state.{n}", TensorProto.FLOAT, (1, *s.shape)) for n, s in metadata.state.items()),
    ]


def _graph(
    metadata: BundleMetadata,
    weights: dict[str, float],
    nan_from_step: int | None,
    undecided_step: int | None,
    layers: int,
) -> onnx.ModelProto:
    make = helper.make_node
    constants = {name: np.float32(value) for name, value in weights.items()}
    constants |= {"zero": np.float32(0), "one": np.float32(1), "minus_one": np.float32(-1), "nan": np.float32(np.nan)}
    constants["nan_from"] = np.float32(np.inf if nan_from_step is None else nan_from_step)
    nodes = [
        make("Sub", ["one", "is_first"], ["going_on"]),
        make("Mul", ["state.count", "going_on"], ["count_now"]),
        make("Add", ["count_now", "one"], ["next_state.count"]),
        make("Mul", ["prev_action", "previous"], ["term.previous"]),
        make("Mul", ["explore", "explore.weight"], ["term.explore"]),
        make("Mul", ["count_now", "count.weight"], ["term.count"]),
        make("Mul", ["is_first", "first.weight"], ["term.first"]),
        make("Mul", ["noise.action", "noise.weight"], ["term.noise"]),
    ]
    for name in ("explore", "count", "first", "noise"):
        constants[f"{name}.weight"] = constants.pop(name)
    terms = ["term.previous", "term.explore", "term.count", "term.first", "term.noise", "bias"]
    observed = [f"observation.{n}" for n in (*metadata.observation.vectors, *metadata.observation.images)]
    for name in observed:
        nodes += [
            make("Cast", [name], [f"{name}.float"], to=TensorProto.FLOAT),
            make("ReduceMean", [f"{name}.float"], [f"{name}.mean"], keepdims=0),
            make("Mul", [f"{name}.mean", "zero"], [f"{name}.unused"]),
        ]
        terms.append(f"{name}.unused")
    for name in (f"goal.{n}" for n in metadata.goal):
        nodes += [
            make("ReduceMean", [name], [f"{name}.mean"], keepdims=0),
            make("Mul", [f"{name}.mean", "goal"], [f"{name}.term"]),
        ]
        terms.append(f"{name}.term")
    initializers = []
    nodes.append(make("Expand", [f"{observed[0]}.mean", "hidden_shape"], ["hidden.0"]))
    initializers.append(numpy_helper.from_array(np.array([1, HIDDEN], np.int64), "hidden_shape"))
    rng = np.random.default_rng(0)
    for layer in range(layers):
        matrix = (rng.standard_normal((HIDDEN, HIDDEN)) / np.sqrt(HIDDEN)).astype(np.float32)
        initializers.append(numpy_helper.from_array(matrix, f"dense.{layer}"))
        nodes += [
            make("MatMul", [f"hidden.{layer}", f"dense.{layer}"], [f"product.{layer}"]),
            make("Tanh", [f"product.{layer}"], [f"hidden.{layer + 1}"]),
        ]
    nodes += [
        make("ReduceMean", [f"hidden.{layers}"], ["hidden.mean"], keepdims=0),
        make("Mul", ["hidden.mean", "zero"], ["hidden.unused"]),
        make("Sum", [*terms, "hidden.unused"], ["sum"]),
        make("Clip", ["sum", "minus_one", "one"], ["clipped"]),
        make("GreaterOrEqual", ["count_now", "nan_from"], ["broken"]),
        make("Where", ["broken", "nan", "clipped"], ["action"]),
    ]
    initializers += [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()]
    outputs = [helper.make_tensor_value_info("action", TensorProto.FLOAT, (1, metadata.action.size))]
    outputs += [
        helper.make_tensor_value_info(f"next_state.{n}", TensorProto.FLOAT, (1, *s.shape))
        for n, s in metadata.state.items()
    ]
    if undecided_step is not None:
        initializers.append(numpy_helper.from_array(np.array(np.float32(undecided_step)), "undecided_step"))
        nodes += [
            make("Equal", ["count_now", "undecided_step"], ["undecided.each"]),
            make("Cast", ["undecided.each"], ["undecided.float"], to=TensorProto.FLOAT),
            make("Reshape", ["undecided.float", "one_element"], ["undecided"]),
            make("Sub", ["one", "undecided"], [DECIDED]),
        ]
        initializers.append(numpy_helper.from_array(np.array([1], np.int64), "one_element"))
        outputs.append(helper.make_tensor_value_info(DECIDED, TensorProto.FLOAT, (1,)))
    graph = helper.make_graph(nodes, "test_policy", _inputs(metadata), outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
