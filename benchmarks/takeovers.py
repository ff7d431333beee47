"""A hostile person takes over a robot that learns, again and again, over real DDS: does anything break?

Run it with `python -m benchmarks.takeovers`. Robot and nodes are those of `robot-mbrl demo`, its learner among them.
The person takes over at random moments and drives; then they hold the stick at full, move it wildly, let go in the
middle, are joined by a second person, go on once a second, say NaN or fall silent (`campaign/hostile.py`). What becomes
of it is judged from the recording, by a judge who shares no code with the guard (`campaign/bag_judge.py`): every
observation has exactly one applied action, the source of every step is right, no command breaks a bound or a rate,
learning goes on. Of velocities the rate is the joint's acceleration, and the bound its speed. The exit code is 1 if
anything is broken.
"""

import argparse
import json
import math
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger

from benchmarks.campaign.bag_judge import Verdict, judge, read_bag
from benchmarks.campaign.hostile import HostilePerson, draw_holds
from benchmarks.report import RESULTS, Row, report
from robot_mbrl import messages, topics
from robot_mbrl.commands.options import positive_count
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import RobotMbrlError
from robot_mbrl.runs.environment import node_environment
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.scenario import namespace, scenario
from robot_mbrl.runs.supervisor import Supervisor
from robot_mbrl.specs import Source
from robot_mbrl.steps import StepKey
from ros_nodes import qos

MINUTE_S = 60.0
PATIENCE_S = 900.0
SLICE_S = 0.05
MOST_TOLD = 20
LOOK_S = 0.5
ENABLE_EVERY_S = 3.0
"""Who says that the robot may move more often than every two seconds has never let go."""
PRIORITY = 5
"""Of this process and the recorder, below that of the nodes that drive: a person is punctual, and the times that the
judge has are when the recorder heard of something, whatever else this machine does."""


class Onlooker:
    """Counts what is applied, as it comes: the recorder keeps no second action for an observation."""

    def __init__(self, person: HostilePerson, config: RunConfig) -> None:
        self.sources: Counter[Source] = Counter()
        self.answers: Counter[StepKey] = Counter()
        self.updates = 0
        self._spec = config.action_spec()
        listen = person.node.create_subscription
        listen(JointState, topics.APPLIED_ACTION, self._on_applied, qos.FOLLOWED)
        listen(JointState, topics.METRICS, self._on_metrics, qos.EVENTS)

    @property
    def repeated(self) -> int:
        """Observations with more than one applied action."""
        return sum(count > 1 for count in self.answers.values())

    def _on_applied(self, message: Any) -> None:
        action = messages.read_action(message, self._spec)
        self.sources[action.source] += 1
        self.answers[action.key] += 1

    def _on_metrics(self, message: Any) -> None:
        self.updates = int(messages.read_named(message)["updates"])


class Operator:
    """Brings the robot back inside, releases and enables it where a stop has latched, as somebody beside it would.

    That happens without a takeover where the machine stalls: joints go on for as long as no command comes.
    """

    def __init__(self, person: HostilePerson) -> None:
        self.releases = 0
        self._word, self._enabled_s = "", -math.inf
        node = person.node
        self._enable = node.create_publisher(Bool, topics.ENABLE, qos.EVENTS)
        self._services = [
            node.create_client(Trigger, "actuator/" + service.removeprefix("~/"))
            for service in (topics.BRING_BACK, topics.RESET_STOP)
        ]
        node.create_subscription(String, topics.STATE, self._on_state, qos.LATCHED)
        node.create_timer(LOOK_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _on_state(self, message: Any) -> None:
        self.releases += message.data == "disabled" and self._word.startswith("latched")
        self._word = message.data

    def _look(self) -> None:
        if self._word.startswith("latched"):
            for service in self._services:
                service.call_async(Trigger.Request())
        elif self._word == "disabled" and time.monotonic() > self._enabled_s + ENABLE_EVERY_S:
            self._enabled_s = time.monotonic()
            self._enable.publish(Bool(data=True))


class Scene:
    """The demo's nodes with a person beside them; a context manager that ends them."""

    def __init__(self, config: RunConfig, path: Path, minutes: float, takeovers: int, seed: int) -> None:
        """Draw what the person will do.

        Raises:
            ValueError: if so many takeovers do not fit.
        """
        self.config, self.folder = config, RunFolder(path)
        self._seconds = minutes * MINUTE_S
        self._rng = np.random.default_rng(seed)
        self._holds = draw_holds(self._seconds, takeovers, self._rng)

    def __enter__(self) -> "Scene":
        config = self.config
        RunFolder.create(config, self.folder.path)
        outside = {name: value for name, value in os.environ.items() if not name.startswith("ROS_DOMAIN")}
        environment = node_environment(outside)
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = environment["ROS_AUTOMATIC_DISCOVERY_RANGE"]
        context = Context()
        with ExitStack() as closing:
            rclpy.init(context=context, domain_id=int(environment["ROS_DOMAIN_ID"]))
            closing.callback(context.try_shutdown)
            self._executor = SingleThreadedExecutor(context=context)
            names = config.action_spec().names
            person = HostilePerson(context, self._executor, namespace(config), names, self._holds, self._rng)
            closing.callback(person.close)
            self._person, self.onlooker, self.operator = person, Onlooker(person, config), Operator(person)
            nodes = scenario("demo", config, self.folder.path)
            self._supervisor = closing.enter_context(Supervisor(nodes, self.folder, environment))
            # Kept open, unless something failed until here.
            self._closing = closing.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.close()

    def play(self) -> None:
        """Wait until a learned policy drives, let the person come, and tell of every minute."""
        deadline_s = time.monotonic() + PATIENCE_S
        sources = self.onlooker.sources
        while not (sources[Source.POLICY] and self.onlooker.updates):
            if time.monotonic() > deadline_s:
                raise RobotMbrlError(
                    f"no learned policy drove the robot within {PATIENCE_S:g} s: see {self.folder.logs}"
                )
            self._serve(SLICE_S)
        self._hasten_recorder()
        self._person.begin()
        began_s = told_s = time.monotonic()
        before, updates = sources.copy(), self.onlooker.updates
        while (now_s := time.monotonic()) < began_s + self._seconds:
            self._serve(min(SLICE_S, began_s + self._seconds - now_s))
            if time.monotonic() >= told_s + MINUTE_S:
                told_s += MINUTE_S
                self._tell(round((told_s - began_s) / MINUTE_S), sources - before, self.onlooker.updates - updates)
                before, updates = sources.copy(), self.onlooker.updates

    def _hasten_recorder(self) -> None:
        """Let the recorder go before all that has no priority, where that is allowed: what it misses is not judged."""
        tasks = Path(f"/proc/{self._supervisor.running['recorder']}/task")
        with suppress(PermissionError, ProcessLookupError):
            for task in tasks.iterdir():
                os.sched_setscheduler(int(task.name), os.SCHED_FIFO, os.sched_param(PRIORITY))

    def _tell(self, minute: int, steps: Counter[Source], updates: int) -> None:
        said = ", ".join(f"{count} {source.name.lower()}" for source, count in sorted(steps.items()))
        print(f"minute {minute}: steps {said}; {updates} updates", file=sys.stderr, flush=True)

    def _serve(self, seconds: float) -> None:
        self._supervisor.watch(0.0)
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0.0:
            self._executor.spin_once(left_s)


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        verdict: of the recording's judge.
        repeated: observations with more than one applied action, as an onlooker saw them.
        released: stops that had latched and were released by the operator.
        planned: takeovers.
    """

    verdict: Verdict
    repeated: int
    released: int
    planned: int

    @property
    def findings(self) -> list[str]:
        """All that is broken."""
        found = list(self.verdict.findings)
        if self.repeated:
            found.append(f"{self.repeated} observations have more than one applied action")
        if self.verdict.takeovers < self.planned:
            found.append(f"of {self.planned} takeovers only {self.verdict.takeovers} are among the steps")
        return found


def require_judgeable(config: RunConfig) -> None:
    """Refuse a robot whose recording the judge cannot judge.

    Raises:
        RobotMbrlError: naming it.
    """
    kinds = {command.kind for command in config.robot.commands}
    if "position" in kinds or config.action_spec().discrete:
        raise RobotMbrlError(
            f"{config.task.name}: the judge of a recording knows velocities, efforts and twists alone; positions are "
            f"judged by tests/graph/test_takeover_graph.py and benchmarks.bad_hardware"
        )


def measure(
    task: str, path: Path, *, minutes: float, takeovers: int, seed: int, overrides: Mapping[str, Any] | None = None
) -> Outcome:
    """Let it happen, and judge it.

    Args:
        task: whose robot.
        path: folder of the run, which is made.
        minutes: for how long.
        takeovers: how many.
        seed: of what the person does.
        overrides: of the task's settings.

    Raises:
        RobotMbrlError: if the robot cannot be judged, or does not move.
        ValueError: if so many takeovers do not fit.
    """
    config = load_run(task, overrides)
    require_judgeable(config)
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
    try:
        with Scene(config, path, minutes, takeovers, seed) as scene:
            scene.play()
            repeated, released = scene.onlooker.repeated, scene.operator.releases
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    bag = read_bag(sorted(scene.folder.bags.glob("*.mcap")), config.action_spec())
    return Outcome(judge(bag, config.robot, config.step_s), repeated, released, takeovers)


def row(outcome: Outcome, seed: int, minutes: float) -> Row:
    """The line of the table."""
    verdict = outcome.verdict
    steps = sum(verdict.sources.values())
    return {
        "seed": seed,
        "minutes": minutes,
        "steps": steps,
        **{source.name.lower(): verdict.sources[source.name.lower()] for source in Source},
        "takeovers": verdict.takeovers,
        "judged": 1.0 - verdict.judged["unsure"] / max(1, steps),
        "steepest": verdict.steepest,
        "updates": verdict.updates,
        "released": outcome.released,
        "broken": len(outcome.findings),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Let it happen, and report."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.takeovers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", nargs="?", default="reacher", help="whose robot (default %(default)s)")
    parser.add_argument("--minutes", type=float, default=10.0, help="for how long (default %(default)s)")
    parser.add_argument("--takeovers", type=positive_count, default=20, help="how many (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of what the person does (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(arguments)
    path = RESULTS / "takeovers" / f"{Path(args.task).stem}-seed{args.seed}"
    if path.exists():
        shutil.rmtree(path)
    try:
        outcome = measure(args.task, path, minutes=args.minutes, takeovers=args.takeovers, seed=args.seed)
    except (RobotMbrlError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    figures, found = row(outcome, args.seed, args.minutes), outcome.findings
    if args.json:
        print(json.dumps({**figures, "findings": found}))
    else:
        report("takeovers", [figures])
        for finding in found[:MOST_TOLD]:
            print(f"broken: {finding}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
