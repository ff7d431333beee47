"""What a run's page shows, brought up to date from the run's folder: the monitor has decimated all that lies there."""

import math
import threading
import time
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.locking import is_locked
from robot_mbrl.runs.metrics import MetricsTail
from robot_mbrl.runs.record import RunRecord
from robot_mbrl.runs.running import living_nodes
from robot_mbrl.views.body import Body
from robot_mbrl.views.story import COUNTERS, INTERVENTION, RunStory

REFRESH_S = 0.25
"""Whoever asks more often gets the same figures again."""
SILENT_S = 12.0
"""The guard's report is written down every five seconds: after this, nobody knows what the robot does."""
POINTS = 240
"""A curve holds at most so many points, and at least half of them."""
SHOWN_STATES = 20


class Live(Protocol):
    """What a running graph tells beside the run's folder."""

    def said(self) -> tuple[str, float | None]:
        """The guard's state with its reason, and how old that is in seconds; None before anything was heard."""

    def newest_step(self) -> tuple[Mapping[str, float], float | None]:
        """The newest step by name, and its age; asking for it keeps it coming."""

    def pictures(self) -> list[str]:
        """What `picture` may be asked for."""

    def picture(self, name: str) -> tuple[bytes, float] | None:
        """The newest picture as JPEG, and its age; None before one came. Asking for it keeps them coming."""


class Curve:
    """A figure over the steps lived, in bounded memory: when it is full, every second point goes."""

    def __init__(self) -> None:
        """No point yet."""
        self.points: list[tuple[int, float]] = []
        self._stride = 1
        self._count = 0

    def add(self, step: int, value: float) -> None:
        """Take a point, unless so many were taken that it is to be left out."""
        if self._count % self._stride == 0:
            self.points.append((step, value))
            if len(self.points) > POINTS:
                self.points, self._stride = self.points[::2], 2 * self._stride
        self._count += 1


class Board:
    """The figures of a run's page; threads may ask at the same time."""

    def __init__(self, folder: RunFolder, live: Live | None = None, body: Body | None = None) -> None:
        """Read what there is.

        Args:
            folder: the run's, which may be running or finished.
            live: the running graph; None where there is none, or it is not to be joined.
            body: how the robot is drawn; None where nobody knows its shape.
        """
        self.folder = folder
        self._live, self._body = live, body
        story = RunStory(folder)
        self._task, self._about = story.task, {"agent": story.agent, "seed": story.seed, "began": story.began}
        self._tail, self._record = MetricsTail(folder.metrics), RunRecord()
        self._curves: dict[str, Curve] = {}
        self._episodes: dict[str, Curve] = {}
        self._counts: Counter[str] = Counter()
        self._counted: dict[str, float] = {}
        self._states: list[dict[str, Any]] = []
        self._bundle_s = self._newest_s = 0.0
        self._refreshed_s = float("-inf")
        self._lock = threading.Lock()

    def state(self) -> dict[str, Any]:
        """The run in a few figures, in the form that other programs rely on (`GET /state.json`)."""
        with self._lock:
            self._refresh()
            record = self._record
            return {
                "run": self.folder.path.name,
                "task": self._task,
                "state": self._state(),
                "returns": record.summary()["returns"],
                "updates": int(record.learner.get("updates") or 0),
                "policy_version": record.policy_version or int(record.learner.get("policy_version") or 0),
                "policy_age_s": self._policy_age_s(),
                "latency_ms": {name: record.latency_ms[name] for name in ("p50", "p99")},
                "guard": dict(self._counts),
            }

    def details(self) -> dict[str, Any]:
        """What changes from second to second beside `state`, without the history of returns."""
        with self._lock:
            self._refresh()
            record = self._record
            shown: dict[str, Any] = {
                **self._about,
                "run": self.folder.path.name,
                "task": self._task,
                "running": self._running(),
                "live": self._live is not None,
                "state": self._state(),
                "steps": record.robot_steps,
                "episodes": len(record.episodes),
                "return": record.returns()[-1] if record.episodes else None,
                "updates": int(record.learner.get("updates") or 0),
                "train_ratio": record.train_ratio,
                "policy_version": record.policy_version or int(record.learner.get("policy_version") or 0),
                "policy_age_s": self._policy_age_s(),
                "latency_ms": record.latency_ms,
                "late": record.missed_steps,
                "stopped": record.stopped_steps,
                "guard": dict(self._counts.most_common()),
                "states": self._states[::-1],
            }
        shown |= self._of_the_graph()
        return shown

    def history(self) -> dict[str, Any]:
        """Curves over the steps lived: returns by the mode of the episode, and what the learner learns by."""
        with self._lock:
            self._refresh()
            return {
                "returns": {mode: _rounded(curve) for mode, curve in self._episodes.items()},
                "metrics": {name: _rounded(curve) for name, curve in self._curves.items()},
            }

    def picture(self, name: str) -> tuple[bytes, float] | None:
        """The newest picture of that name as JPEG, and its age in seconds; None where there is none."""
        return self._live.picture(name) if self._live is not None and name in self._live.pictures() else None

    def _of_the_graph(self) -> dict[str, Any]:
        """What only a running graph tells: who drives, the body, and which pictures there are."""
        if self._live is None:
            return {"step": {}, "step_age_s": None, "body": [], "pictures": []}
        values, age_s = self._live.newest_step()
        known = {name: value for name, value in values.items() if math.isfinite(value)}
        body = self._body.draw(known) if self._body is not None and known else []
        return {"step": known, "step_age_s": age_s, "body": body, "pictures": self._live.pictures()}

    def _running(self) -> bool:
        return is_locked(self.folder) or bool(living_nodes(self.folder))

    def _state(self) -> str:
        """What the robot does and why; of a run without a robot, whether it goes on."""
        if not self._running():
            return "finished" if self.folder.read_summary() else "broken off"
        if self.folder.processes.exists() and not living_nodes(self.folder):
            return "its nodes have ended: it is being concluded, or begins anew"
        if self._live is not None:
            sentence, age_s = self._live.said()
            if sentence and age_s is not None:
                return sentence if age_s < SILENT_S else f"unknown: the guard is silent for {age_s:.0f} s"
        guard = self._record.guard
        if not guard:
            return "learning"
        if (age_s := time.time() - guard["time"]) > SILENT_S:
            return f"unknown: the guard is silent for {age_s:.0f} s"
        detail = guard.get("detail") or ""
        return f"{guard.get('state')}: {detail}" if detail else str(guard.get("state"))

    def _policy_age_s(self) -> float | None:
        """How old the policy on the robot is: now, or when the run ended; None where none has come."""
        if not self._bundle_s:
            return None
        until_s = time.time() if self._running() else self._newest_s
        return round(max(0.0, until_s - self._bundle_s), 1)

    def _refresh(self) -> None:
        if time.monotonic() - self._refreshed_s < REFRESH_S:
            return
        self._refreshed_s = time.monotonic()
        for line in self._tail.new():
            before = self._record.policy_version
            self._record.take([line])
            self._newest_s = float(line.get("time") or self._newest_s)
            match line["kind"]:
                case "guard":
                    self._take_guard(line)
                case "learner":
                    self._take_learner(line)
                case "episode":
                    self._add(self._episodes, str(line["mode"]), line, line["return"])
                case "verdict":
                    self._add(self._episodes, "judged", line, line.get("mean_return"))
                case "bundle" if self._record.policy_version != before:
                    # Told again to a monitor that was started anew, it is no younger.
                    self._bundle_s = self._newest_s

    def _take_guard(self, line: Mapping[str, Any]) -> None:
        for name, count in line.items():
            if name.startswith(INTERVENTION) and count is not None:
                before = self._counted.get(name, 0.0)
                # A guard that was started anew counts anew.
                self._counts[name.removeprefix(INTERVENTION)] += round(count - before if count >= before else count)
                self._counted[name] = count
        state = str(line.get("state") or "")
        if state and (not self._states or self._states[-1]["state"] != state):
            at = f"{datetime.fromtimestamp(line['time']):%H:%M:%S}"
            self._states.append({"at": at, "state": state, "detail": line.get("detail") or ""})
            del self._states[:-SHOWN_STATES]

    def _take_learner(self, line: Mapping[str, Any]) -> None:
        for name, value in line.items():
            if name not in COUNTERS or name in ("train_ratio", "updates_per_s"):
                self._add(self._curves, name, line, value)

    def _add(self, curves: dict[str, Curve], name: str, line: Mapping[str, Any], value: Any) -> None:
        if isinstance(value, int | float):
            step = int(line.get("environment_steps") or line.get("robot_steps") or 0)
            curves.setdefault(name, Curve()).add(step, float(value))


def _rounded(curve: Curve) -> list[list[float]]:
    """Points with as many digits as a screen can show."""
    return [[step, float(f"{value:.5g}")] for step, value in curve.points]
