"""Exporting the policy: traced to ONNX once, then only the weights are replaced, which takes milliseconds."""

import torch

from robot_mbrl.agents.policy_graph import PolicyGraph
from robot_mbrl.bundles import BundleMetadata, Canary, ComputeBudget, canary_inputs
from robot_mbrl.config import RunConfig
from robot_mbrl.control.bundle_file import Bundle
from robot_mbrl.control.bundle_provider import step_ms
from robot_mbrl.errors import BundleError
from robot_mbrl.fingerprint import Fingerprint
from robot_mbrl.learning.onnx_graph import OnnxGraph, named_tensors


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
            goal=config.goal_spec(),
            budget=ComputeBudget(step_ms=0.0, threads=policy.threads),
            state=self._policy.state,
            noise=self._policy.noise,
            fingerprint=Fingerprint.of(config),
        )
        self._graph: OnnxGraph | None = None

    def prepare(self) -> None:
        """Trace the graph now and measure it; takes seconds, once."""
        if self._graph is None:
            policy, arguments = self._policy, self._arguments(self._metadata, 0)
            self._graph = OnnxGraph(policy, arguments, policy.input_names, policy.output_names)
            bundle = Bundle(self._graph.fill(self._weights(), self._metadata.model_dump_json()), "the policy")
            budget = self._metadata.budget.model_copy(update={"step_ms": step_ms(bundle)})
            self._metadata = self._metadata.model_copy(update={"budget": budget})

    def export(self, version: int, updates: int) -> bytes:
        """A bundle with the agent's present weights.

        Args:
            version: number of the export within its run.
            updates: learner updates behind these weights.

        Raises:
            BundleError: if the policy's actions are not finite: learning has broken down.
        """
        self.prepare()
        assert self._graph is not None
        weights = self._weights()
        metadata = self._metadata.model_copy(update={"version": version, "updates": updates})
        action, *_ = self._graph.run(weights, self._arguments(metadata, seed=version))
        if not torch.isfinite(action).all():
            raise BundleError(f"version {version}: the policy gives {action[0].tolist()}; learning has broken down")
        canary = Canary(seed=version, action=tuple(action[0].tolist()))
        return self._graph.fill(weights, metadata.model_copy(update={"canary": canary}).model_dump_json())

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: tensor.detach().cpu() for name, tensor in named_tensors(self._policy).items()}

    def _arguments(self, metadata: BundleMetadata, seed: int) -> tuple[torch.Tensor, ...]:
        inputs = canary_inputs(metadata, seed)
        return tuple(torch.from_numpy(inputs[name]) for name in self._policy.input_names)
