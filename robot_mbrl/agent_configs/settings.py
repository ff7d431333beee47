"""What the settings of all agents have in common: how much is collected, trained, handed over and kept."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from robot_mbrl.specs import Count, Frozen, NonNegative, Positive


class AgentSettings(Frozen):
    """The settings that the learner and the robot's nodes read, whatever the agent."""

    MEANT: ClassVar[frozenset[str]] = frozenset({"family"})
    """Settings that say what the weights are: the sizes of the networks, and what is made of their outputs. All others
    say how they are learned, from what and how fast, and may change while a run is stopped."""

    PLOTTED: ClassVar[tuple[str, ...]] = ()
    """Metrics of the agent that views show of a run that has not begun: what every update of the family reports."""

    family: str
    """Which agent this configures."""
    description: str = ""
    """What the preset is for, in a sentence."""

    replay_capacity: Count = 1_000_000
    """Steps the replay ring holds; its memory is claimed at the start."""
    prefill_steps: Count = 1000
    """Random steps before learning starts."""
    pretrain_updates: Annotated[int, Field(ge=0)] = 100
    """Updates owed once the prefill is there, lived or imported (Dreamer v1: 100). They bring the first policy also to
    a robot that has used up its random steps and stands still, from whom no step would owe any."""
    schedule: Literal["train_ratio", "per_episode", "budget"] = "train_ratio"
    """What updates are owed for: steps, by `train_ratio`; ends of episodes, by `updates_per_episode`; or nothing more
    once there is enough to learn from, but `update_budget` in all."""
    train_ratio: Positive = 256.0
    """Replayed steps per lived step."""
    updates_per_episode: Count = 100
    """PlaNet's."""
    update_budget: Count = 10_000
    """Those of `pretrain_updates` are among them."""
    max_debt_updates: Count = 200
    """Owed updates beyond this are forgiven, so that a slow machine does not lag ever further behind; not those of one
    episode, or of a budget."""
    export_period_s: Positive = 3.0
    """How often the learner hands a new policy bundle over."""
    checkpoint_period_s: Positive = 30.0
    threads: Count | Literal["auto"] = 1
    """CPU threads the learner computes on; auto for as many as make updates the fastest, measured while it learns
    (`learning.threads`). How many it is rounds sums differently, so runs with auto do not repeat bit for bit."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$")] = "auto"
    """auto, cpu or cuda[:n]."""
    cuda_graph: bool = True
    """Whether a GPU makes each update as one CUDA graph, where the agent allows it."""

    def meaning(self) -> dict[str, Any]:
        """The settings without which the weights mean nothing, or something else."""
        return self.model_dump(mode="json", include=set(self.MEANT))

    @property
    def fewest_steps(self) -> int:
        """Steps that the replay must hold before the first update."""
        return self.prefill_steps

    def own_cores(self, there: int) -> int:
        """How many of a machine's cores a learner wants to itself, which nodes beside it then keep off."""
        return max(1, there // 2) if self.threads == "auto" else self.threads

    @model_validator(mode="after")
    def _replay_holds_what_learning_begins_with(self) -> Self:
        if self.replay_capacity < self.fewest_steps:
            raise ValueError(
                f"replay_capacity: {self.replay_capacity} never holds the {self.fewest_steps} steps that learning "
                f"begins with (prefill_steps, or what one update reads if that is more)"
            )
        return self


class SequenceSettings(AgentSettings):
    """The settings of agents that learn from sequences of steps."""

    batch_size: Count = 16
    """Sequences per update."""
    batch_length: Annotated[int, Field(ge=2)] = 16
    """Steps per sequence."""

    @property
    def fewest_steps(self) -> int:
        """Steps that the replay must hold before the first update."""
        return max(self.prefill_steps, self.batch_length)


class ActorSettings(SequenceSettings):
    """The settings of agents that train an actor on sequences of steps."""

    online_queue: bool = False
    """Whether each new window of `batch_length` steps is read once before chance chooses among all."""
    cloning_scale: NonNegative = 0.0
    """Weight in the actor's loss of minus the mean log-density of a person's actions, taken over or imported, where
    they drove (`agents.cloning`); 0 learns from them as from anyone's."""
