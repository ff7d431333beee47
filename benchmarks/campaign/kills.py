"""Kills, stalls, emergency stops and lies over DDS: one accident after another happens to a robot that moves.

Each is judged by what a listener has heard: commands as they were sent, observations, applied actions and reports.
"""

import random
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import yaml
from std_msgs.msg import Bool

from benchmarks.campaign.graph import GraphError, RobotGraph
from benchmarks.campaign.judge import Finding
from robot_mbrl.config import RunConfig, load_run

HARDWARE = Path(__file__).parent / "hardware"
ROBOTS = ("arm", "base", "joint")
SETTLED_S = 1.5
"""How long a robot has been enabled before something happens to it."""
LET_GO_S = 2.2
"""How long a person waits before he enables again."""
ATTEMPTS = 8
"""How often a person tries to get the robot going."""
STOP_S = 1.0
"""Within which a robot stands still after an accident, on a machine that does other things as well."""
JITTER_S = 0.005
"""Between the moment that a command was made for and the one at which it was sent."""
SILENCE_S = 1.0
"""After this long a person has to enable the robot again."""
BACK_S = 2.5
"""How long is looked for motion after everything is back."""
KNOWN_S = 0.2
"""Before a guard's end, and after its first report, within which an observation may find none."""
UNNOTICED_S = 1.0
"""After a guard's end, by when the sensor node has noticed and observes no more until there is another."""
BEGIN = 0.05
"""How far from where a joint was measured a path may begin, rad or m."""
MOTION = 1e-3
"""A command that changes by more than this moves the robot."""
ALWAYS = frozenset({"starting", "disabled"})
"""Reasons that a robot which is brought back to life goes through."""
REASONS = {
    "policy": {"no_action", "second_publisher"},
    "sensor": {"no_observation", "no_action", "second_publisher"},
    "actuator": {"no_observation", "no_action", "stale_joints", "joints_disagree", "second_publisher", "no_driver"},
    "driver": {
        *("stale_joints", "joints_disagree", "no_observation", "no_action", "no_driver", "second_publisher"),
        *("following_error", "joint_limit"),
    },
    "person": {"emergency_stop"},
}
"""Why else the guard may say that it has stopped, by whom something happened to."""
LIES: tuple[dict[str, object], ...] = (
    {"kind": "stamp_jump", "offset_s": 3600.0, "duration_s": 1.5},
    {"kind": "stamp_jump", "offset_s": -3600.0, "duration_s": 1.5},
    {"kind": "stamp_jump", "offset_s": -0.5},
    {"kind": "stamp_still", "duration_s": 0.8},
    {"kind": "frozen", "stamp": "old", "duration_s": 1.5},
    {"kind": "frozen", "stamp": "fresh", "duration_s": 1.5},
    {"kind": "driver_death", "duration_s": 0.4, "zeros_s": 0.1},
    {"kind": "drop_out", "duration_s": 0.5},
    {"kind": "burst", "duration_s": 0.5},
)


@dataclass(frozen=True)
class Accident:
    """Something that happens to a moving robot."""

    kind: str
    """kill, stall, lie or press."""
    whom: str
    """A key of `NODES`, or person."""
    duration_s: float
    """How long a process is away."""
    lie: dict[str, object]

    def __str__(self) -> str:
        """In a few words."""
        return f"{self.kind} {self.whom} for {self.duration_s:.2f} s {self.lie or ''}".strip()


def draw_accident(seed: int, number: int) -> Accident:
    """The accident of this number."""
    rng = random.Random(f"{seed}/accident/{number}")
    kind = ("kill", "stall", "lie", "kill", "stall", "lie", "press")[number % 7]
    match kind:
        case "kill":
            return Accident(kind, rng.choice(("driver", "actuator", "sensor", "policy")), rng.uniform(0.2, 2.0), {})
        case "stall":
            whom = rng.choice(("driver", "actuator", "sensor", "policy"))
            return Accident(kind, whom, rng.choice((0.05, 0.15, 0.4, 1.5)), {})
        case "lie":
            lie = rng.choice(LIES)
            return Accident(kind, "driver", float(str(lie.get("duration_s", 1.0))), lie)
    return Accident("press", "person", 0.5, {})


def load_hardware(robot: str) -> RunConfig:
    """One of the robots."""
    return load_run(HARDWARE / f"{robot}-task.yaml")


def run_kills(seed: int, count: int, first: int = 0) -> Iterator[tuple[int, Accident, list[Finding]]]:
    """Accidents, an equal share of them to each robot; yields each with what was found.

    Raises:
        GraphError: if the robot does not get going, or a node dies by itself.
    """
    for index, robot in enumerate(ROBOTS):
        numbers = [number for number in range(first, first + count) if number % len(ROBOTS) == index]
        if not numbers:
            continue
        with tempfile.TemporaryDirectory() as folder, RobotGraph(load_hardware(robot), Path(folder)) as graph:
            witness = Witness(graph)
            for number in numbers:
                accident = draw_accident(seed, number)
                yield number, accident, witness.live_through(accident)


class Witness:
    """Lets accidents happen and judges what was heard meanwhile."""

    def __init__(self, graph: RobotGraph) -> None:
        self._graph, self._heard = graph, graph.heard
        self._joints = {joint.name: joint for joint in graph.config.robot.joints}
        self._positions = graph.config.robot.commands[0].kind == "position"
        self._damping = graph.config.robot.guard.damping
        self._unguarded: list[tuple[float, float]] = []
        self._findings: list[Finding] = []

    def live_through(self, accident: Accident) -> list[Finding]:
        """Get the robot moving, let it happen, and look at what follows."""
        graph, self._findings = self._graph, []
        begin_s = time.time()
        self._get_going()
        at_s = time.time()
        back_s = self._happen(accident)
        permitted = self._permitted(accident, back_s - at_s)
        graph.serve(BACK_S)
        self._judge_limits(begin_s)
        self._judge_stop(accident, at_s, back_s, permitted=permitted)
        self._judge_answers(begin_s, at_s)
        return self._findings

    def _get_going(self) -> None:
        """What a person does who wants to see it move."""
        graph = self._graph
        graph.set_faults("")
        for _ in range(ATTEMPTS):
            graph.release()
            # Nobody says that it may move, for so long that everybody has let go.
            graph.serve(LET_GO_S)
            graph.enable()
            since_s = time.time()
            graph.serve(SETTLED_S)
            if self._first_motion(since_s + 0.2) is not None:
                return
        newest = self._heard.reports[-1][1] if self._heard.reports else {}
        raise GraphError(f"the robot did not get going in {ATTEMPTS} attempts; the guard says: {newest.get('detail')}")

    def _happen(self, accident: Accident) -> float:
        """Returns when everything is back, in seconds since the epoch."""
        graph = self._graph
        match accident.kind:
            case "kill":
                if accident.whom == "actuator":
                    self._unguarded.append((time.time() - KNOWN_S, 1e12))
                graph.kill(accident.whom)
                graph.serve(accident.duration_s)
                self._restart(accident.whom)
                if accident.whom == "actuator":
                    self._unguarded[-1] = (self._unguarded[-1][0], time.time() + KNOWN_S)
            case "stall":
                process = graph.running[accident.whom]
                process.send_signal(signal.SIGSTOP)
                graph.serve(accident.duration_s)
                process.send_signal(signal.SIGCONT)
            case "lie":
                with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                    yaml.safe_dump({"faults": [accident.lie]}, file)
                    file.flush()
                    graph.set_faults(file.name)
                graph.serve(accident.duration_s)
            case "press":
                graph.emergencies.publish(Bool(data=True))
                graph.serve(accident.duration_s)
                graph.emergencies.publish(Bool(data=False))
        return time.time()

    def _restart(self, name: str) -> None:
        """Start it again, and wait until it is heard."""
        graph, heard = self._graph, self._heard
        signs = {"driver": heard.places, "actuator": heard.reports, "sensor": heard.observed, "policy": heard.applied}
        sign = signs[name]
        graph.start(name)
        if name == "driver" and not sign:
            sign = heard.observed  # A base has no joints that are heard.
        count = len(sign)
        graph.until(lambda: len(sign) > count, f"{name} to be back")

    def _permitted(self, accident: Accident, away_s: float) -> bool | None:
        """Whether the robot may go on by itself afterwards; None where either would be right."""
        if accident.kind == "press" or (accident.kind, accident.whom) == ("kill", "actuator"):
            return False
        if accident.whom == "policy":
            return True
        if accident.kind == "lie":
            silent = accident.lie["kind"] in ("stamp_jump", "frozen") and away_s > SILENCE_S
            return None if silent or accident.lie["kind"] == "frozen" else True
        if accident.whom in ("driver", "sensor") and away_s > SILENCE_S + 0.4:
            return False
        return None

    def _first_motion(self, since_s: float) -> float | None:
        """When a command first moved the robot since then; an effort against its motion does not."""
        newest: dict[str, float] = {}
        for at_s, values in self._heard.commands:
            for name, value in values.items():
                rest = newest.get(name, value) if self._positions else 0.0
                allowed = MOTION + self._damping * self._speed(name, at_s) if self._damping else MOTION
                if at_s >= since_s and abs(value - rest) > allowed:
                    return at_s
            newest |= values
        return None

    def _speed(self, joint: str, at_s: float) -> float:
        """The fastest that a joint was measured lately."""
        speeds = (abs(v[joint]) for s, v in self._heard.speeds if at_s - 0.5 <= s <= at_s + 0.1 and joint in v)
        return max(speeds, default=0.0)

    def _judge_limits(self, begin_s: float) -> None:
        """Every command within bounds, none changing faster than it may unless a path begins where the joint is."""
        lately = [(at_s, values) for at_s, values in self._heard.commands if at_s >= begin_s]
        for at_s, values in lately:
            for name, value in values.items():
                joint = self._joints[name]
                if not joint.low - 1e-6 <= value <= joint.high + 1e-6:
                    self._find("unsafe", at_s, f"{name}: {value} is not within its bounds")
        for (before_s, before), (at_s, values) in pairwise(lately):
            for name, value in values.items():
                joint = self._joints[name]
                rate = max(joint.max_rate, joint.stop_rate or 0.0)
                if abs(value - before[name]) <= rate * (at_s - before_s + JITTER_S):
                    continue
                if self._positions and self._is_place(name, value, at_s):
                    continue
                self._find(
                    "unsafe", at_s, f"{name}: jumps by {value - before[name]:.3f} within {at_s - before_s:.3f} s"
                )

    def _is_place(self, joint: str, value: float, at_s: float) -> bool:
        lately = [places[joint] for s, places in self._heard.places if at_s - 1.0 <= s <= at_s and joint in places]
        return any(abs(place - value) <= BEGIN for place in lately)

    def _judge_stop(self, accident: Accident, at_s: float, back_s: float, *, permitted: bool | None) -> None:
        """It stops where it has to, stays so where a person has to enable it, and says why."""
        lasting = permitted is False
        # A stall that is over sooner than a stop would be needs none; a killed guard is the driver's to notice.
        if lasting and (moved_s := self._first_motion(at_s + STOP_S)) is not None:
            self._find("unsafe", moved_s, f"moves {moved_s - at_s:.2f} s after {accident}, without a person")
        reasons = {values["stopped"] for s, values in self._heard.reports if at_s < s and values.get("stopped")}
        if strange := reasons - REASONS[accident.whom] - ALWAYS:
            self._find("unexplained", at_s, f"stopped for {sorted(strange)} after {accident}")
        if lasting and not reasons:
            self._find("unexplained", at_s, f"no reason is reported after {accident}")

    def _judge_answers(self, begin_s: float, at_s: float) -> None:
        """Each observation has one applied action, but for those that came while there was no guard."""
        settled_s = time.time() - 0.5
        observed = {
            key
            for s, key in self._heard.observed
            if begin_s <= s <= settled_s and not any(a <= s <= b for a, b in self._unguarded)
        }
        applied = [key for _, key in self._heard.applied]
        if len(set(applied)) != len(applied):
            self._find("unanswered", at_s, "an observation has two applied actions")
        # A guard that was just started may have answered before it had met this listener: it counts what it decides.
        if (missing := observed - set(applied)) and self._undecided():
            self._find("unanswered", at_s, f"{len(missing)} observations without an applied action")

    def _undecided(self) -> int:
        """How many observations since the guard's start it has not decided on, by its own count."""
        reported_s, report = self._heard.reports[-1]
        since_s = self._unguarded[-1][0] + UNNOTICED_S if self._unguarded else 0.0
        asked = sum(since_s <= s <= reported_s - JITTER_S for s, _ in self._heard.observed)
        return max(0, asked - int(report["steps"]))

    def _find(self, kind: str, at_s: float, text: str) -> None:
        if len(self._findings) < 10:
            self._findings.append(Finding(kind, at_s, text))
