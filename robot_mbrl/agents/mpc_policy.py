"""The policy of `agents/mpc.py`, as it leaves the learner: remember what was observed, look ahead, and act.

Shapes: W window, H steps of a plan, V observed values, A action.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from robot_mbrl.agent_configs.mpc import MPCConfig
from robot_mbrl.agents.lookahead import Lookahead
from robot_mbrl.agents.policy_graph import PolicyGraph
from robot_mbrl.agents.purpose import Purpose, told_goal
from robot_mbrl.bundles import NoiseSpec
from robot_mbrl.planners import make_planner
from robot_mbrl.planners.planner import Plan
from robot_mbrl.specs import ActionSpec, ObservationSpec, TensorSpec
from robot_mbrl.world_models.ensemble_model import EnsembleModel

WINDOW = "window"
"""The part of the state that remembers what was observed and done, where more than the newest counts."""
MODEL, EXPLORATION = "model", "exploration"
"""Noise beside the planner's."""


class MPCPolicy(PolicyGraph):
    """Plans with the model at every step."""

    abstains = True

    def __init__(
        self,
        model: EnsembleModel,
        observation: ObservationSpec,
        action: ActionSpec,
        config: MPCConfig,
        purpose: Purpose,
    ) -> None:
        """Compose the policy.

        Args:
            model: what it looks ahead with.
            observation: what is observed.
            action: what is decided.
            config: the settings.
            purpose: what it plans for.

        Raises:
            ConfigError: if there is no objective, or it is one of values that are not observed.
        """
        objective = purpose.objective_of("mpc", observation)
        planner = make_planner(config, action.size)
        noise = {EXPLORATION: NoiseSpec(shape=(action.size,), distribution="normal")} if config.exploration else {}
        if model.gaussian and config.planner != "ilqr":
            shape = (config.horizon, model.members, model.values)
            noise[MODEL] = NoiseSpec(shape=shape, distribution="normal")
        state = {WINDOW: TensorSpec(shape=(model.window,))} if model.history > 1 else {}
        super().__init__(
            observation, action, state=state | planner.memory, noise=noise | planner.noise, goal=purpose.goal
        )
        self.model, self.planner = model, planner
        self.threads = config.inference_threads
        self._objective, self._exploration = objective, config.exploration

    def step(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Action (1, A), and the next window (1, W) and plan (1, H, A)."""
        fresh = inputs["is_first"] > 0.5  # (1,)
        observed = observed_values(
            {name: inputs[f"observation.{name}"] for name in self.observation.vectors}, self.observation
        )  # (1, V)
        window = self.model.first_window(observed)
        if WINDOW in self.state:
            gone_on = self.model.moved(inputs[f"state.{WINDOW}"], inputs["prev_action"], observed)
            window = torch.where(fresh.unsqueeze(-1), window, gone_on)  # (1, W)
        memory = {name: torch.where(fresh, 0.0, inputs[f"state.{name}"].squeeze(0)) for name in self.planner.memory}
        plan = self.plan_from(window, memory, inputs)
        action = plan.actions[:1]  # (1, A)
        if self._exploration:
            explored = (action + self._exploration * inputs[f"noise.{EXPLORATION}"]).clamp(-1.0, 1.0)
            action = torch.where(inputs["explore"].unsqueeze(-1) > 0.5, explored, action)
        kept = {name: value.unsqueeze(0) for name, value in plan.memory.items()}
        # Where nothing finite was found there is no action: a robot must not be moved by what means nothing.
        return torch.where(plan.found, action, math.nan), ({WINDOW: window} if WINDOW in self.state else {}) | kept

    def plan_from(self, window: Tensor, memory: Mapping[str, Tensor], inputs: Mapping[str, Tensor]) -> Plan:
        """The cheapest plan that is found.

        Args:
            window: where the robot is, (1, W).
            memory: as the planner takes it.
            inputs: of `step`; those of goal and noise.
        """
        noise = {name: inputs[f"noise.{name}"].squeeze(0) for name in self.noise}
        names = self.observation.element_names
        goal = told_goal(self._objective, self.goal, inputs)
        world = Lookahead(self.model, self._objective, names, goal, window.squeeze(0), noise.get(MODEL))
        return self.planner.plan(world, memory, noise)


def observed_values(observed: Mapping[str, Tensor], spec: ObservationSpec) -> Tensor:
    """All vectors' values (..., V), in the order of the specification."""
    return torch.cat([observed[name] for name in spec.vectors], -1)
