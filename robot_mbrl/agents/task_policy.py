"""The policy of one of several tasks that one model learns, as a robot of that task can run it."""

from collections.abc import Mapping

import torch
from torch import Tensor

from robot_mbrl.agents.policy_graph import PolicyGraph
from robot_mbrl.config import RunConfig
from robot_mbrl.several import VALUES, WHICH, observed_values, places


class TaskPolicy(PolicyGraph):
    """The whole policy behind the observation and the action of one task: nothing in it is learned anew.

    Attributes:
        whole: what decides; its weights are shared.
    """

    which: Tensor
    places: Tensor

    def __init__(self, whole: PolicyGraph, run: RunConfig, task: str) -> None:
        """Compose the policy.

        Args:
            whole: that of the run.
            run: of several tasks.
            task: name of the one that this is the policy of.
        """
        index = [member.task.name for member in run.members].index(task)
        member = run.members[index]
        observation, action = member.observation_spec(), member.action_spec()
        super().__init__(observation, action, state=whole.state, noise=whole.noise)
        self.whole = whole
        self.threads, self.abstains = whole.threads, whole.abstains
        self._surplus = whole.action.size - action.size
        self.register_buffer("which", torch.eye(len(run.members))[index : index + 1], persistent=False)
        # What the task lacks is read from behind its own values, where there is a zero.
        lacking = len(observation.element_names)
        found = [lacking if p is None else p for p in places(member, observed_values(run.members))]
        self.register_buffer("places", torch.tensor(found), persistent=False)

    def step(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The action (1, A) of the task's own elements, and the next state of the whole policy."""
        own = [inputs[f"observation.{name}"] for name in self.observation.vectors]
        values = torch.cat([*own, own[0].new_zeros(1, 1)], -1).index_select(-1, self.places)
        before = inputs["prev_action"]
        whole = {
            **inputs,
            f"observation.{VALUES}": values,
            f"observation.{WHICH}": self.which.clone(),
            "prev_action": torch.cat([before, before.new_zeros(1, self._surplus)], -1),
        }
        action, state = self.whole.step(whole)
        return action[:, : self.action.size], state
