"""What the sensor node is the shell of: observes, lives the episodes, waits for the guard, session after session."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from robot_mbrl.config import RunConfig
from robot_mbrl.control.episodes import Episodes, Phase, new_session
from robot_mbrl.control.goal import Goal
from robot_mbrl.control.guard_link import SILENT_S, GuardLink
from robot_mbrl.control.observing import Observer, Stale
from robot_mbrl.control.ticking import Ticker
from robot_mbrl.errors import MessageError
from robot_mbrl.steps import Action, Observation
from robot_mbrl.tasks import make_task


class Sensing:
    """Turns a driver's messages into judged observations, one at each tick.

    Call order: `receive` for each message of a source, `passed` for each of `/clock`, `applied` for each applied
    action, `guard.look` regularly; `tick` after each of them and whenever `deadline_s` has passed. While `resetting`,
    carry out the task's reset, then call `reset_done`. Times are steady.

    Attributes:
        guard: whether the guard hears; until it does, nothing is observed.
        stale: why nothing can be observed; empty if all readings are there.
        renewed: why this session has taken another's place; empty for the first, and for whoever has noted it.
        goal: what the robot is to bring about; it outlasts sessions.
    """

    def __init__(
        self, config: RunConfig, make_ticker: Callable[[], Ticker], *, evaluate: bool, lockstep: bool = False
    ) -> None:
        """Begin the first session.

        Args:
            config: the run.
            make_ticker: makes the ticker of each session.
            evaluate: whether every episode is lived in evaluate mode.
            lockstep: whether the world waits for each applied action, however long a policy takes.
        """
        self.guard = GuardLink(silent_s=float("inf") if lockstep else SILENT_S)
        self.stale = "nothing was read yet"
        self.goal = Goal(config.task.goal.values())
        self._config = config
        self._make_ticker = make_ticker
        self._evaluate = evaluate
        self.begin_session("")

    def begin_session(self, why: str) -> None:
        """Forget all that was read and observed: another life begins, under an id of its own."""
        config, self.renewed = self._config, why
        self._ticker = self._make_ticker()
        self._session = new_session()
        images = config.observation_spec().images
        self.observer = Observer(config.robot, images, stamps=self._ticker.stamps, goal=self.goal)
        self.episodes = Episodes(config.task, make_task(config.task.task), self._session, evaluate=self._evaluate)
        self._observed_ns = 0
        self._was_heard = self.guard.heard

    @property
    def deadline_s(self) -> float | None:
        """When to `tick` whatever arrives."""
        return self._ticker.deadline_s

    @property
    def resetting(self) -> bool:
        """Whether the robot is to be brought to a start."""
        return self.episodes.phase is Phase.RESETTING

    @property
    def waiting(self) -> str:
        """What is waited for besides readings and resets; empty for nothing."""
        return "" if self.guard.heard else "waiting for the guard: no actuator node hears what is observed yet"

    @property
    def figures(self) -> dict[str, object]:
        """What a report of its health tells, by name."""
        episodes, observer = self.episodes, self.observer
        figures: dict[str, object] = {
            "phase": episodes.phase.value,
            "episodes": episodes.started,
            "mode": episodes.mode.name.lower(),
            "overruns": self._ticker.overruns,
            "guard": self.guard.state.value,
        }
        for source, count in sorted(observer.refused.items()):
            figures |= {f"refused.{source}": count, f"refusal.{source}": observer.refusals[source]}
        figures |= {f"goal.{name}": value for name, value in self.goal.values.items()}
        if self.goal.waypoints:
            figures["waypoints"] = self.goal.waypoints
        if self.goal.refused:
            figures |= {"refused.goal": self.goal.refused, "refusal.goal": self.goal.refusal}
        return figures

    def evaluate(self, *, evaluate: bool) -> None:
        """Set whether the episodes to come are lived in evaluate mode."""
        self._evaluate = self.episodes.evaluate = evaluate

    def receive(self, source: str, message: Any, now_s: float) -> None:
        """Take in a message of a source; if it is refused, it is counted, and named by `figures`."""
        with suppress(MessageError):
            self.observer.receive(source, message, self._ticker.arrived(message, now_s))

    def take_picture(self, source: str, message: Any, arrival_s: float) -> None:
        """Decode a real robot's picture ahead of its tick, in another thread."""
        with suppress(MessageError):
            self.observer.receive(source, message, arrival_s)
            self.observer.decode(source)

    def passed(self, clock_ns: int, now_s: float) -> None:
        """Let simulated time pass; with that of another simulator a new session begins."""
        anew = self._ticker.passed(clock_ns, now_s)
        if anew:
            self.begin_session("simulated time went back")
            self._ticker.passed(clock_ns, now_s)

    def applied(self, action: Action) -> None:
        """Note an applied action."""
        if action.key.session == self._session:
            self.guard.answered()
            self.episodes.applied(action)

    def feedback(self, labels: Mapping[str, float], stamp_ns: int = 0) -> None:
        """Merge a person's labels into the next step, or end the episode where they end it at a step before.

        Args:
            labels: by name.
            stamp_ns: of the step that they are of, which whoever stores it merges them into; 0 for the next.

        Raises:
            MessageError: if they mean nothing.
        """
        if stamp_ns == 0:
            self.episodes.feedback(labels)
        else:
            self.episodes.end_late(labels, stamp_ns)

    def start_episode(self, now_s: float) -> str:
        """Begin the episode that a person has prepared; returns why it cannot, or nothing."""
        if self._config.task.reset != "human":
            return "this task's episodes begin by themselves"
        if not self.resetting:
            return "an episode is under way already"
        if hindrance := self.stale or self.waiting:
            # Otherwise it would begin by itself as soon as the driver is switched on.
            return f"no episode can begin: {hindrance}"
        self.reset_done("", now_s)
        return ""

    def reset_done(self, answer: str, now_s: float) -> None:
        """Begin the next episode with readings from after the reset.

        Args:
            answer: of the service that reset the robot; a simulator's names the simulated time of it.
            now_s: the present.
        """
        reset_s = self._ticker.reset_done(answer, now_s)
        self.observer.begin(reset_s)
        self.episodes.reset_done(reset_s)

    def tick(self, now_s: float) -> Observation | None:
        """The observation to publish now, if any.

        Where a driver's readings count by a new clock, another session begins, which tells the guard: what was stale
        for a second may be as old still.
        """
        if self.observer.adopted:
            self.begin_session("the clock of a driver is another, or its readings are delayed")
        self._resume(now_s)
        tick = self._ticker.due(now_s, self.observer)
        if tick is None:
            return None
        sensed = self.observer.assemble(tick.time_s, decoded=self._ticker.stamps)
        self.stale = str(sensed) if isinstance(sensed, Stale) else ""
        # Ticks that are not lived through may come again, once the robot is reset or the guard hears.
        if isinstance(sensed, Stale) or self.resetting or self.waiting or tick.stamp_ns <= self._observed_ns:
            return None
        self._observed_ns = tick.stamp_ns
        observation = self.episodes.advance(tick.stamp_ns, sensed)
        if observation is not None:
            self.guard.asked(now_s)
            self.goal.observed(observation)
        return observation

    def _resume(self, now_s: float) -> None:
        """Begin with the newest readings once the guard hears: in lockstep no others come before they are observed."""
        heard = self.guard.heard
        if heard and not self._was_heard:
            self._ticker.resumed(now_s)
        self._was_heard = heard
