"""What an agent is: everything that the learner, the exporter, checkpoints and pictures know of one.

An agent owns its networks, optimisers, random numbers and counters. The learner owns replay, schedule and disk: it
reads what the agent `draws`, has it `update`, and writes the latents back that came of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from robot_mbrl.agents.policy_graph import PolicyGraph
from robot_mbrl.experience.draws import Draw
from robot_mbrl.specs import TensorSpec
from robot_mbrl.world_models.batch import Batch

LEFT_OUT = "left_out"
"""The metric that is 1 for an update which changed no weight, since its loss or gradients were not finite, else 0."""


@dataclass(frozen=True)
class Learned:
    """What came of one update."""

    metrics: Mapping[str, Tensor]
    """Scalars by name, detached, on the agent's device: whoever reads them waits for it, the update does not."""
    latents: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    """By draw, latents by the names in `Agent.remembers`, (B, T, ...), of every row of that draw's batch. The learner
    casts them to their specifications' types and leaves out those that are not finite or whose row is not valid."""


class Agent(Protocol):
    """A way to learn behaviour from experience. What is a property here may be an attribute there."""

    @property
    def remembers(self) -> Mapping[str, TensorSpec]:
        """Latents that replay keeps beside each row, by name; {} for agents that remember nothing."""

    @property
    def policy(self) -> PolicyGraph:
        """What is exported; it shares the weights that `update` changes."""

    @property
    def cautions(self) -> Mapping[str, str]:
        """Metrics that ought to stay about 0, by name.

        Each is a share, from 0 to 1. The sentence says what is wrong and how to mend it where it does not stay there.
        """

    @property
    def size(self) -> int:
        """Numbers that are learned, without averages of others such as slow critics."""

    @property
    def ready(self) -> bool:
        """Whether the policy is worth exporting yet, once an update was made."""

    def draws(self) -> Mapping[str, Draw]:
        """What the next update reads from replay, by names of the agent's own; {} if it learns from dreams alone."""

    def update(self, batches: Mapping[str, Batch]) -> Learned:
        """Learn for one bounded quantum, of seconds at most: the robot's steps wait meanwhile.

        Args:
            batches: what was read, by the names of `draws`, on the agent's device.
        """

    def probe(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What networks that are no part of the policy, such as a critic, make of a state of the policy.

        Args:
            state: by the names of `policy.state`, (1, ...), on the CPU.

        Returns:
            Tensors on the CPU by name; {} if there is nothing of the kind. Saved with a checkpoint and compared when it
            is resumed, so that code which has changed its meaning is noticed.
        """

    def state_dict(self) -> dict[str, Any]:
        """All that a resume needs: networks, optimisers, normalisers, random states, counters, stage.

        Mappings (with keys that are strings or integers), lists, tensors, strings, numbers, booleans and None, nested.
        """

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave, also on another kind of device.

        Raises:
            KeyError, RuntimeError, ValueError: if it is of another kind of agent.
        """


@runtime_checkable
class Capturable(Protocol):
    """An agent whose updates one CUDA graph can hold (see `learning.captured`).

    After the first, each does the same on the device, whatever the numbers: it takes batches of the same shapes, reads
    nothing on the host, keeps its counters and learning rates on the device, and changes weights, moments and
    normalisers where they lie.
    """

    @property
    def generators(self) -> Sequence[torch.Generator]:
        """All that updates draw from."""

    def compute(self, batches: Mapping[str, Batch]) -> Learned:
        """`Agent.update` without what is counted on the host."""

    def computed(self) -> None:
        """Count an update on the host that `compute` or a graph of it made: `update` is the two, one after the other.

        Not called while a graph is captured, since nothing is learned by that.
        """


@runtime_checkable
class Foresees(Protocol):
    """An agent whose world model can be watched: it tells what will be observed if only actions are known."""

    def foresee(self, batch: Batch, context: int, seed: int) -> Mapping[str, Tensor]:
        """Expected observations.

        Args:
            batch: sequences (B, T, ...), of which the first `context` observations are seen, and all actions.
            context: how many observations are seen.
            seed: of the random numbers; the agent's own are left alone.

        Returns:
            By name as in the batch, (B, T, ...): vectors in physical units, pictures as `nets.images.normalise_pixels`
            gives them. Of the observations that are seen, their reconstructions.
        """


@runtime_checkable
class ForeseesApart(Foresees, Protocol):
    """One whose model has members, each of which foresees by itself; how far apart they are tells what it knows."""

    def foresee_apart(self, batch: Batch, context: int) -> Sequence[Mapping[str, Tensor]]:
        """Expected observations of each member; see `Foresees.foresee`."""


@runtime_checkable
class ImaginesAhead(Protocol):
    """An agent that tells what it expects to come of its own policy from now on."""

    def imagine_ahead(self, batch: Batch, steps: int) -> Mapping[str, Tensor]:
        """Expected observations, as the policy that is judged would act: no chance is in them, but what planners draw.

        Args:
            batch: one sequence (1, T, ...) of what was observed and done up to now.
            steps: how many to look ahead; an agent that plans looks no further than its plan.

        Returns:
            By name, (1, steps, ...) or fewer: vectors in physical units, of the observations after the last of the
            batch. Pictures are left out; {} if nothing else is observed.
        """
