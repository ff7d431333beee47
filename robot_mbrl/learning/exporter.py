"""Exporting the policy: traced to ONNX once, then only the weights are replaced, which takes milliseconds."""

from collections.abc import Mapping

import torch

from robot_mbrl.agents.policy_graph import PolicyGraph
from robot_mbrl.bundles import DECIDED, BundleMetadata, Canary, ComputeBudget, canary_inputs
from robot_mbrl.config import RunConfig
from robot_mbrl.control.bundle_file import Bundle
from robot_mbrl.control.bundle_provider import measure
from robot_mbrl.errors import BundleError
from robot_mbrl.fingerprint import Fingerprint
from robot_mbrl.learning.onnx_graph import OnnxGraph, named_tensors

CANARIES = 10
"""Inputs that are tried until an action is found that does not hang by a hair."""
NUDGE = 1e-5
"""Share by which they are changed to find out: more than rounding, and less than anything that is meant."""
_SEEDS_APART = 1_000_000


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
            timing = measure(bundle)
            cost = {"step_ms": timing.p50_ms, "p99_ms": timing.p99_ms}
            budget = self._metadata.budget.model_copy(update=cost)
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
        canary = self._canary(metadata, weights)
        return self._graph.fill(weights, metadata.model_copy(update={"canary": canary}).model_dump_json())

    def _canary(self, metadata: BundleMetadata, weights: Mapping[str, torch.Tensor]) -> Canary:
        """Inputs, and an action that any sound copy gives to them.

        A choice between two that are about equal may fall either way where sums are rounded otherwise, and would be
        taken for damage: so inputs are drawn until one is found by which the action hardly changes with them.
        """
        for attempt in range(CANARIES):
            seed = metadata.version + attempt * _SEEDS_APART
            arguments = self._arguments(metadata, seed)
            action = self._action(metadata, weights, arguments)
            canary = Canary(seed=seed, action=tuple(action.tolist()))
            nudged = tuple(x * (1.0 + NUDGE) if x.is_floating_point() else x for x in arguments)
            if (self._action(metadata, weights, nudged) - action).abs().max() < canary.tolerance / 2:
                break
        return canary

    def _action(
        self, metadata: BundleMetadata, weights: Mapping[str, torch.Tensor], arguments: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """The action (A) that the policy gives.

        Raises:
            BundleError: if there is none.
        """
        assert self._graph is not None
        outputs = dict(zip(self._policy.output_names, self._graph.run(weights, arguments), strict=True))
        action = outputs["action"][0]
        if not torch.isfinite(action).all():
            raise BundleError(
                f"version {metadata.version}: the policy gives {action.tolist()}; learning has broken down"
            )
        if DECIDED in outputs and not bool(outputs[DECIDED] > 0.0):
            raise BundleError(f"version {metadata.version}: the policy finds no action; learning has broken down")
        return action

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: tensor.detach().cpu() for name, tensor in named_tensors(self._policy).items()}

    def _arguments(self, metadata: BundleMetadata, seed: int) -> tuple[torch.Tensor, ...]:
        inputs = canary_inputs(metadata, seed)
        return tuple(torch.from_numpy(inputs[name]) for name in self._policy.input_names)
