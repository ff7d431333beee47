"""A simulated robot in one process: the world and the classes of the robot's nodes, composed without ROS.

Its stream of steps is that of the sensor and the actuator node over a simulator that is never late. Simulated time is
advanced from one command of the guard to the next, so commands are shaped and repeated as they are over the graph.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from robot_mbrl.config import GuardConfig, RobotConfig, RunConfig
from robot_mbrl.control.colour_tracker import ColourTracker
from robot_mbrl.control.episodes import Episodes, Phase, new_session
from robot_mbrl.control.goal import Goal
from robot_mbrl.control.guard import Decision, Guard
from robot_mbrl.control.observing import Observer, Stale
from robot_mbrl.errors import RobotMbrlError
from robot_mbrl.messages import NANOSECONDS, write_stamp
from robot_mbrl.steps import Action, Observation
from robot_mbrl.tasks import make_task
from robot_mbrl.topics import JOINT_STATE
from robot_mbrl.variety import NONE, Variety
from sim.fitting import make_robots_world
from sim.starts import start_rng
from sim.worlds import World
from sim.worlds.varied import with_variety
from sim.worlds.world import PointReading, Reading, Stance, Triple

INSTANT_S = 1e-9
"""Times nearer than this are the same."""


class InProcessRobot:
    """A robot that waits for its policy.

    Call order: `observe`, then `apply` with the action for that observation; again, across the ends of episodes.

    Attributes:
        config: the run that it is the robot of.
        world: what it is simulated in.
        control_steps: control periods acted in, in this life.
    """

    def __init__(
        self,
        config: RunConfig,
        *,
        seed: int = 0,
        evaluate: bool = False,
        session: str | None = None,
        variety: Variety = NONE,
    ) -> None:
        """Build the world and put the robot at its first start.

        Args:
            config: robot and task.
            seed: of the starts.
            evaluate: whether every episode is lived in evaluate mode, instead of every few as the task says.
            session: id of the session; None for a new one.
            variety: how the world differs from episode to episode.

        Raises:
            WorldError: if the task's world does not exist or does not fit the robot, or the robot cannot be pushed.
        """
        self.config = config
        self.world: World = with_variety(make_robots_world(config), variety)
        self._evaluate = evaluate
        self._period_ns = round(config.robot.period_s * NANOSECONDS)
        # As the driver's stand-in has them: a picture that is resized later looks different.
        self._picture_sizes = {s: (spec.height, spec.width) for s, spec in config.taken_pictures().items()}
        self._trackers = {name: ColourTracker(tracker) for name, tracker in config.robot.trackers.items()}
        self._joint_sources = {command.source for command in config.robot.commands if command.source is not None}
        self.goal = Goal(config.task.goal.values())
        """What the robot is to bring about."""
        self.restart(seed, session)

    def pose(self) -> dict[str, float]:
        """Where every joint is, rad or m, by name."""
        sources = [name for name, source in self.config.robot.sources.items() if source.type == JOINT_STATE]
        readings: list[Any] = [self.world.read(source) for source in sources]
        return {name: at for reading in readings for name, at in zip(reading.name, reading.position, strict=True)}

    def poses(self) -> Mapping[str, Stance]:
        """Where everything is that moves about in its world, by name."""
        return self.world.poses()

    def restart(self, seed: int, session: str | None = None) -> None:
        """Begin a new life in the same world, as if built anew.

        Args:
            seed: of the starts.
            session: id of the session; None for a new one.
        """
        config = self.config
        self._seed, self._resets = seed, 0
        self._session = session or new_session()
        self._observer = Observer(config.robot, config.observation_spec().images, goal=self.goal)
        self._episodes = Episodes(config.task, make_task(config.task.task), self._session, evaluate=self._evaluate)
        self._guard = Guard(_never_starting(config.robot), config.step_s, enabled=True)
        self._sensed_s: dict[str, float] = {}
        self._applied: list[Action] = []
        self._now_ns = self._period_ns
        self._observation: Observation | None = None
        self.control_steps = 0
        self._reset_world()

    @property
    def interventions(self) -> Mapping[str, int]:
        """How often the guard has intervened, by reason."""
        return {str(reason): count for reason, count in self._guard.machine.counts.items()}

    @property
    def latched(self) -> str:
        """Why the guard has stopped the robot for good; empty while it has not."""
        return f"{self._guard.stopped}: {self._guard.detail}" if self._guard.machine.latched else ""

    def observe(self) -> Observation:
        """The present observation; the same until `apply` is called."""
        if self._observation is None:
            self._observation = self._live_until_observed()
        return self._observation

    def apply(self, action: Action | None) -> Action:
        """Live through the step that begins at the present observation.

        Args:
            action: what the policy requests; None if it requests nothing, as after the last observation of an episode,
                where it is not asked. Otherwise the guard takes its silence for a late action.

        Returns:
            What was applied.
        """
        observation = self.observe()
        if action is not None and not observation.is_last:
            self._guard.receive(action, self._now_s)
        self._observation = None
        self._live_period()
        following = self._live_until_observed()
        if not self._applied:
            # A deadline as long as the step: the following observation has made the guard decide.
            self._carry_out(self._guard.update(self._now_s))
        self._observation = following
        if not observation.is_last:
            self.control_steps += round((following.key.stamp_ns - observation.key.stamp_ns) / self._period_ns)
        return self._applied.pop(0)

    def take_over(self, values: Mapping[str, float] | None) -> None:
        """Let a person hold the dead-man switch and steer, or let go of it.

        As on a robot, their action is for the next observation on, reaches what the stick says within a second, and
        counts for 0.3 s of simulated time: say it again at every step.

        Args:
            values: what the stick says, in action units by name; of choices a one-hot. None lets go.

        Raises:
            RobotMbrlError: if it says what cannot be meant.
        """
        if values is not None and (refusal := self._guard.takeover.steer(values, self._now_s)):
            raise RobotMbrlError(f"teleop: {refusal}")
        self._guard.take_over(values is not None, self._now_s)

    def photograph(self) -> np.ndarray:
        """A picture of the world, uint8, shape (height, width, 3)."""
        return self.world.photograph()

    def close(self) -> None:
        """Close the world."""
        self.world.close()

    @property
    def _now_s(self) -> float:
        return self._now_ns / NANOSECONDS

    def _live_until_observed(self) -> Observation:
        while True:
            if self._episodes.phase is Phase.RESETTING:
                self._reset_world()
                begun_s = self._now_s - self.config.robot.period_s
                self._observer.begin(begun_s)
                self._episodes.reset_done(begun_s)
            observation = self._tick()
            if observation is not None:
                return observation
            self._live_period()

    def _tick(self) -> Observation | None:
        """Sense, and tell the guard of what was observed, if anything was."""
        now_s = self._now_s
        for source in self._observer.sources:
            reading = self._read(source)
            if reading is None:
                continue
            self._observer.receive(source, reading, now_s)
            self._sense(source, reading, now_s)
        sensed = self._observer.assemble(now_s)
        if isinstance(sensed, Stale):
            raise RobotMbrlError(f"simulated sensors are never late, and yet: {sensed}")
        observation = self._episodes.advance(self._now_ns, sensed)
        if observation is not None:
            self._guard.observe(observation.key, observation.is_last, now_s)
        return observation

    def _read(self, source: str) -> Reading | None:
        """The present reading of a source; None of a tracker that does not see what it looks for."""
        if source not in self._trackers:
            return self.world.read(source, *self._picture_sizes.get(source, ()))
        camera = self.config.robot.trackers[source].camera
        place = self._trackers[source].find(self.world.render(camera, *self._picture_sizes[camera]))
        return PointReading(Triple(*place)) if place is not None else None

    def _live_period(self) -> None:
        """Let one control period pass, with commands as often as the guard wants to send them."""
        now_s, self._now_ns = self._now_s, self._now_ns + self._period_ns
        end_s = self._now_s
        while end_s - now_s > INSTANT_S:
            for source in self._joint_sources:
                if self._sensed_s.get(source) != now_s:
                    self._sense(source, self.world.read(source), now_s)
            self._carry_out(self._guard.update(now_s))
            next_s = min(max(self._guard.next_deadline_s(), now_s), end_s)
            self.world.advance(next_s - now_s)
            now_s = next_s

    def _sense(self, source: str, reading: Any, now_s: float) -> None:
        """Show the guard a reading, unless it has seen that of this instant."""
        if self._sensed_s.get(source) != now_s:
            self._sensed_s[source] = now_s
            write_stamp(reading.header.stamp, round(now_s * NANOSECONDS))
            self._guard.sense(source, reading, now_s)

    def _carry_out(self, decision: Decision) -> None:
        for command in decision.commands:
            self.world.apply(command.named())
        for action in decision.applied:
            self._applied.append(action)
            self._episodes.applied(action)

    def _reset_world(self) -> None:
        self.world.reset(start_rng(self._seed, self._resets))
        self._resets += 1


def _never_starting(robot: RobotConfig) -> RobotConfig:
    """The robot with a guard that lets the first action through: in one process none is ever late."""
    timing: GuardConfig = robot.guard.model_copy(update={"recover_steps": 1})
    return robot.model_copy(update={"guard": timing})
