"""Exporting the policy: traced to ONNX once, then only the weights are replaced, which takes milliseconds."""

import copy
import logging
import warnings

import onnx
import torch
from onnx import numpy_helper

from robot_mbrl.agents.policy_graph import PolicyGraph
from robot_mbrl.bundles import METADATA_KEY, BundleMetadata, Canary, canary_inputs
from robot_mbrl.config import RunConfig
from robot_mbrl.errors import BundleError
from robot_mbrl.fingerprint import Fingerprint


class PolicyExporter:
    """Makes policy bundles of one policy, again and again as it is learned."""

    def __init__(self, policy: PolicyGraph, config: RunConfig, run_id: str) -> None:
        """Prepare nothing yet: the graph is traced at the first export, or by `prepare`.

        Args:
            policy: the policy, whose weights are read at each export.
            config: the run, for what the bundle says of itself.
            run_id: identity of the run.
        """
        self._policy = policy
        self._metadata = BundleMetadata(
            robot=config.robot.name,
            task=config.task.name,
            agent=config.agent.family,
            run_id=run_id,
            version=1,
            updates=0,
            control_rate_hz=config.robot.control_rate_hz,
            observation=config.observation_spec(),
            action=config.action_spec(),
            state=self._policy.state,
            noise=self._policy.noise,
            fingerprint=Fingerprint.of(config),
        )
        self._model: onnx.ModelProto | None = None

    def prepare(self) -> None:
        """Trace the graph now; takes seconds, once."""
        if self._model is None:
            self._model = _trace(self._policy, self._arguments(self._metadata, 0))

    def export(self, version: int, updates: int) -> bytes:
        """A bundle with the agent's present weights.

        Args:
            version: number of the export within its run.
            updates: learner updates behind these weights.

        Raises:
            BundleError: if the policy's actions are not finite: learning has broken down.
        """
        self.prepare()
        assert self._model is not None
        weights = self._policy.state_dict()
        for initializer in self._model.graph.initializer:
            if (weight := weights.get(initializer.name)) is not None:
                initializer.CopyFrom(numpy_helper.from_array(weight.cpu().numpy(), initializer.name))
        metadata = self._metadata.model_copy(update={"version": version, "updates": updates})
        metadata = metadata.model_copy(update={"canary": self._canary(metadata, seed=version)})
        onnx.helper.set_model_props(self._model, {METADATA_KEY: metadata.model_dump_json()})
        data: bytes = self._model.SerializeToString()
        return data

    def _canary(self, metadata: BundleMetadata, seed: int) -> Canary:
        # On the CPU, as on the robot: a GPU rounds convolutions so coarsely that another latent may be the likeliest.
        policy = copy.deepcopy(self._policy).cpu()
        with torch.no_grad():
            action, *_ = policy(*self._arguments(metadata, seed))
        if not torch.isfinite(action).all():
            raise BundleError(
                f"version {metadata.version}: the policy gives {action[0].tolist()}; learning has broken down"
            )
        return Canary(seed=seed, action=tuple(action[0].tolist()))

    def _arguments(self, metadata: BundleMetadata, seed: int) -> tuple[torch.Tensor, ...]:
        inputs = canary_inputs(metadata, seed)
        return tuple(torch.from_numpy(inputs[name]) for name in self._policy.input_names)


def _trace(policy: PolicyGraph, arguments: tuple[torch.Tensor, ...]) -> onnx.ModelProto:
    """The policy's ONNX graph, with an initialiser for every weight it uses, under the weight's name."""
    traced = copy.deepcopy(policy).cpu().eval()
    with torch.no_grad():
        # The exporter merges weights of equal values, such as zero biases, which then could not be told apart.
        for parameter in traced.parameters():
            parameter.normal_()
    exporter_log = logging.getLogger("torch.onnx")
    level = exporter_log.level
    exporter_log.setLevel(logging.ERROR)  # it warns of the absence of torchvision, which is not used
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of torch about itself
            program = torch.onnx.export(
                traced,
                arguments,
                input_names=policy.input_names,
                output_names=policy.output_names,
                dynamo=True,
                verbose=False,
            )
    finally:
        exporter_log.setLevel(level)
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    # Names of source files and nodes of the trace are of no use to a robot.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.value_info[:]
    return model
