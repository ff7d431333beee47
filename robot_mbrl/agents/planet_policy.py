"""PlaNet's policy, as it leaves the learner: filter what is observed into the latents, look ahead in them, and act.

Shapes: K plans, H steps of each, D deter, S latent variables, A action.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from robot_mbrl.agent_configs import PlaNetConfig
from robot_mbrl.agents.latent_lookahead import LatentLookahead
from robot_mbrl.agents.policy_graph import PolicyGraph
from robot_mbrl.agents.purpose import Purpose, told_goal
from robot_mbrl.bundles import NoiseSpec
from robot_mbrl.planners import make_planner
from robot_mbrl.planners.planner import Plan
from robot_mbrl.several import WHICH
from robot_mbrl.specs import ActionSpec, ObservationSpec, TensorSpec
from robot_mbrl.tasks.objective import cost_reads
from robot_mbrl.world_models.planet_model import PlaNetModel
from robot_mbrl.world_models.state import State

DETER, LATENT = "deter", "latent"
"""The model state among what is carried; the second is also the noise that it is drawn with."""
IMAGINED, EXPLORATION = "imagined", "exploration"
"""Noise of the latents that are imagined, and of exploration, beside the planner's."""


class UsedActions(nn.Module):
    """Which elements of the action the task at hand uses, where one model learns several."""

    table: Tensor

    def __init__(self, sizes: Sequence[int], longest: int) -> None:
        """Prepare.

        Args:
            sizes: how many elements each task uses, in their order.
            longest: elements of the action.
        """
        super().__init__()
        used = [[1.0] * size + [0.0] * (longest - size) for size in sizes]
        self.register_buffer("table", torch.tensor(used), persistent=False)  # (tasks, A)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """1 for those that are used, 0 for the others, (1, A), by a policy's inputs.

        Bundles are tried with inputs of which none is a one-hot, and must stay within bounds for these, too.
        """
        which = inputs[f"observation.{WHICH}"]
        return (which @ self.table > 0.5).to(which)


class PlaNetPolicy(PolicyGraph):
    """Plans in the latents at every step."""

    abstains = True

    def __init__(
        self,
        model: PlaNetModel,
        observation: ObservationSpec,
        action: ActionSpec,
        config: PlaNetConfig,
        purpose: Purpose,
    ) -> None:
        """Compose the policy.

        Args:
            model: what it filters and looks ahead with.
            observation: what is observed.
            action: what is decided.
            config: the settings.
            purpose: what it plans for, where that is not rewards.

        Raises:
            ConfigError: if it is to plan for an objective, and there is none, or one of values that are not observed.
        """
        planner = make_planner(config, action.size)
        rssm = model.rssm
        state = {DETER: TensorSpec(shape=(rssm.deter,)), LATENT: TensorSpec(shape=(rssm.latent.stoch,))}
        noise = {
            LATENT: NoiseSpec(shape=(rssm.latent.stoch,), distribution="normal"),
            EXPLORATION: NoiseSpec(shape=(action.size,), distribution="normal"),
        }
        if config.imagine == "drawn":
            shape = (config.horizon, config.candidates, rssm.latent.stoch)
            noise[IMAGINED] = NoiseSpec(shape=shape, distribution="normal")
        objective = purpose.objective_of("planet", observation) if config.plan_for == "objective" else None
        super().__init__(
            observation,
            action,
            state=state | planner.memory,
            noise=noise | planner.noise,
            goal=purpose.goal if objective is not None else None,
        )
        self._objective = objective
        self.uses = UsedActions(purpose.action_sizes, action.size) if purpose.action_sizes else None
        self.encoder, self.rssm, self.planner = model.encoder, rssm, planner
        self.reward = model.reward if objective is None else None
        self.decoder = model.decoder if objective is not None else None
        self.threads = config.inference_threads
        self._exploration = config.exploration

    def step(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Action (1, A), and the next deter (1, D), latent (1, S) and plan (1, H, A)."""
        explores = inputs["explore"].unsqueeze(-1) > 0.5  # (1, 1)
        if self.uses is not None:
            inputs = {**inputs, "prev_action": inputs["prev_action"] * self.uses(inputs)}
        state = self._filter(inputs, explores)
        fresh = inputs["is_first"] > 0.5  # (1,)
        memory = {name: torch.where(fresh, 0.0, inputs[f"state.{name}"].squeeze(0)) for name in self.planner.memory}
        used = self.uses(inputs) if self.uses is not None else None
        plan = self.plan_from(state, memory, inputs)
        action = plan.actions[:1]  # (1, A)
        explored = (action + self._exploration * inputs[f"noise.{EXPLORATION}"]).clamp(-1.0, 1.0)
        action = torch.where(explores, explored, action)
        if used is not None:
            action = action * used
        kept = {name: value.unsqueeze(0) for name, value in plan.memory.items()}
        # Where nothing finite was found there is no action: a robot must not be moved by what means nothing.
        action = torch.where(plan.found, action, math.nan)
        return action, {DETER: state.deter, LATENT: state.latent} | kept

    def plan_from(self, state: State, memory: Mapping[str, Tensor], inputs: Mapping[str, Tensor]) -> Plan:
        """The cheapest plan that is found.

        Args:
            state: where the robot is, (1, ...).
            memory: as the planner takes it.
            inputs: of `step`; those of goal and noise, and of several tasks what says which it is.
        """
        noise = {name: inputs[f"noise.{name}"].squeeze(0) for name in self.noise}
        used = self.uses(inputs) if self.uses is not None else None
        world = LatentLookahead(
            self.rssm, lambda *arrived: self._costs(inputs, *arrived), state, noise.get(IMAGINED), used
        )
        return self.planner.plan(world, memory, noise)

    def _filter(self, inputs: Mapping[str, Tensor], explores: Tensor) -> State:
        """The model state (1, ...) now that this is observed; where the policy is judged, the likeliest."""
        observed = {
            name: inputs[f"observation.{name}"] for name in (*self.observation.vectors, *self.observation.images)
        }
        embedding = self.encoder(*self.encoder.targets(observed))
        before = State(inputs[f"state.{DETER}"], inputs[f"state.{LATENT}"])
        deter, statistics = self.rssm.filter(before, inputs["prev_action"], inputs["is_first"], embedding)
        latent = self.rssm.latent
        drawn = torch.where(explores, latent.sample(statistics, inputs[f"noise.{LATENT}"]), latent.mode(statistics))
        return State(deter, drawn)

    def _costs(self, inputs: Mapping[str, Tensor], states: State, action: Tensor) -> Tensor:
        """What it costs to arrive at states (N, ...) by actions (N, A), (N,)."""
        if self.reward is not None:
            return -self.reward.likelihood.mean(self.reward(states.deter, states.latent))
        assert self._objective is not None and self.decoder is not None and self.decoder.vectors is not None
        expected = self.encoder.observations(self.decoder.vectors(*states), None)
        seen = {
            element: expected[group][..., place]
            for group, vector in self.observation.vectors.items()
            for place, element in enumerate(vector.names)
        }
        goal = told_goal(self._objective, self.goal, inputs)
        values = {name: seen[name] for name in cost_reads(self._objective)}
        costs: Tensor = self._objective.cost(values, action.unbind(-1), goal)
        return costs
