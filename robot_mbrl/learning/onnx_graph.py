"""A policy's ONNX graph with its weights apart: traced once, filled with the present weights at each export.

While it is traced the weights are inputs, like observations: an exporter that knew their values would merge those that
are equal, such as two statistics that have seen nothing yet, or fold them into constants, and what is learned later
would never leave the learner.
"""

import copy
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.func import functional_call

from robot_mbrl.bundles import METADATA_KEY
from robot_mbrl.errors import BundleError


class OnnxGraph:
    """A traced policy, to be filled with weights.

    Attributes:
        weights: names of the parameters and buffers that the graph uses.
    """

    def __init__(
        self, policy: nn.Module, arguments: tuple[Tensor, ...], input_names: list[str], output_names: list[str]
    ) -> None:
        """Trace a policy, which takes seconds.

        Args:
            policy: a module whose `forward` is a pure function of its arguments, parameters and buffers.
            arguments: of `forward`, of the shapes that the graph is for, on the CPU.
            input_names: their names in the graph.
            output_names: names of the results.

        Raises:
            BundleError: naming a parameter or buffer that the graph would hold as a constant.
        """
        self._policy = copy.deepcopy(policy).cpu().eval()
        names = list(named_tensors(self._policy))
        model = _trace(self._policy, names, arguments, input_names, output_names)
        used = {name for node in _nodes(model.graph) for name in node.input}
        self.weights = tuple(name for name in names if name in used)
        for value in [value for value in model.graph.input if value.name in names]:
            model.graph.input.remove(value)
        self._skeleton: bytes = model.SerializeToString()

    def run(self, weights: Mapping[str, Tensor], arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """What the policy computes with these weights, on the CPU, as on the robot.

        A GPU rounds convolutions so coarsely that another latent may be the likeliest.
        """
        with torch.no_grad():
            results: tuple[Tensor, ...] = functional_call(self._policy, dict(weights), arguments)
        return results

    def fill(self, weights: Mapping[str, Tensor], metadata: str) -> bytes:
        """The ONNX file with these weights.

        Args:
            weights: every parameter and buffer by name, on the CPU.
            metadata: the bundle's metadata as JSON.
        """
        # A message of its own each time: what is replaced within one is not freed before the whole message is.
        model = onnx.load_from_string(self._skeleton)
        for name in self.weights:
            model.graph.initializer.append(numpy_helper.from_array(weights[name].numpy(), name))
        onnx.helper.set_model_props(model, {METADATA_KEY: metadata})
        data: bytes = model.SerializeToString()
        return data


def named_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Every parameter and buffer of a module by name, those that two names share under both."""
    return {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }


class _Opened(nn.Module):
    """A policy as a function of its arguments, then its weights."""

    def __init__(self, policy: nn.Module, names: list[str], arguments: int) -> None:
        super().__init__()

        def call(*inputs: Tensor) -> tuple[Tensor, ...]:
            weights = dict(zip(names, inputs[arguments:], strict=True))
            results: tuple[Tensor, ...] = functional_call(policy, weights, inputs[:arguments])
            return results

        # In a closure: a submodule's weights would be constants again.
        self._call: Callable[..., tuple[Tensor, ...]] = call

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return self._call(*inputs)


def _trace(
    policy: nn.Module,
    names: list[str],
    arguments: tuple[Tensor, ...],
    input_names: list[str],
    output_names: list[str],
) -> onnx.ModelProto:
    """The graph of a policy whose weights are inputs, under their names."""
    weights = {name: tensor.detach() for name, tensor in named_tensors(policy).items()}
    exporter_log = logging.getLogger("torch.onnx")
    level = exporter_log.level
    exporter_log.setLevel(logging.ERROR)  # it warns of the absence of torchvision, which is not used
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of torch about itself
            opened = _Opened(policy, names, len(arguments))
            with torch.no_grad():
                program = torch.export.export(opened, (*arguments, *weights.values()), strict=False)
            _check_constants(program.constants, weights)
            exported = torch.onnx.export(
                program, input_names=[*input_names, *names], output_names=output_names, dynamo=True, verbose=False
            )
    finally:
        exporter_log.setLevel(level)
    assert exported is not None
    model: onnx.ModelProto = exported.model_proto
    # Names of source files and nodes of the trace are of no use to a robot.
    for node in _nodes(model.graph):
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.value_info[:]
    return model


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Every node of a graph, those in the bodies of its loops included."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _nodes(attribute.g)


def _check_constants(constants: Mapping[str, object], weights: Mapping[str, Tensor]) -> None:
    """Refuse a weight that `forward` reached past its name, by an alias: the graph holds a copy that never changes."""
    owners = {tensor.untyped_storage().data_ptr(): name for name, tensor in weights.items() if tensor.numel()}
    for constant in constants.values():
        if isinstance(constant, Tensor) and (name := owners.get(constant.untyped_storage().data_ptr())):
            raise BundleError(
                f"the policy uses {name!r} by another way than its name, so its graph would keep today's values for "
                f"ever: read it as the module's parameter or buffer"
            )
