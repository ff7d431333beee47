"""What a person may order of a learner that runs, each with an answer that says what happened."""

from dataclasses import dataclass

from robot_mbrl.learning.live import LiveLearner


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an order.

    Attributes:
        done: whether things are now as was ordered.
        text: what happened, in a sentence.
        bundle: a policy to hand over; None for none.
    """

    done: bool
    text: str
    bundle: bytes | None = None


class Orders:
    """Carries out orders between two updates."""

    def __init__(self, live: LiveLearner) -> None:
        """Take orders.

        Args:
            live: who carries them out.
        """
        self._live = live

    def pause(self) -> Answer:
        """Make no updates until further notice."""
        if self._live.paused:
            return Answer(True, "learning was paused before")
        self._live.paused = True
        return Answer(True, "learning is paused; what the robot lives meanwhile is kept, and owes no updates")

    def resume(self) -> Answer:
        """Go on after a pause."""
        if not self._live.paused:
            return Answer(True, "learning was not paused")
        self._live.paused = False
        learner = self._live.learner
        if not learner.prefilled:
            return Answer(True, f"learning goes on once there are enough steps; there are {len(learner.replay)}")
        return Answer(True, "learning goes on")

    def export(self) -> Answer:
        """Hand the policy over as it is, whatever the schedule says."""
        learner = self._live.learner
        if learner.updates == 0:
            return Answer(False, f"no policy yet: nothing was learned from {len(learner.replay)} steps")
        bundle = self._live.export()
        if bundle is None:
            return Answer(False, self._live.fault or "no policy yet: the agent is not ready")
        text = f"policy version {learner.policy_version} after {learner.updates} updates is handed over"
        fault = self._live.fault
        return Answer(not fault, f"{text}; {fault}" if fault else text, bundle)

    def checkpoint(self) -> Answer:
        """Write a checkpoint, and wait until it is there."""
        self._live.save()
        learner = self._live.learner
        if self._live.fault:
            return Answer(False, self._live.fault)
        what = f"{learner.updates} updates and {learner.robot_steps} steps"
        return Answer(True, f"a checkpoint of {what} is in {learner.folder}")
