"""A person who takes over from the policy: a dead-man switch and a stick, and what follows when either falls silent."""

import math
from collections.abc import Mapping
from enum import StrEnum

import numpy as np

from robot_mbrl.control.enabling import LET_GO_S
from robot_mbrl.specs import ActionSpec

SILENT_S = 0.3
"""Dead-man and stick must be heard again within this; they are sent at 5 Hz at least."""
EDGE_S = 1.0
"""For so long after a person's actions begin to count, they go over the whole range in no less: whatever the stick says
at that moment, the first action is the one before."""
RANGE = 2.0
"""Of an action, from -1 to 1."""


class Holding(StrEnum):
    """Who drives, as far as the dead-man switch says."""

    FREE = "free"
    """The policy; the next press takes over."""
    HELD = "held"
    """The person."""
    LOST = "lost"
    """Nobody: the robot stops until the switch was seen let go, or nothing was heard of it for long."""
    SPENT = "spent"
    """The policy: the switch was pressed before this guard was there, and has to be let go first."""


class Takeover:
    """Follows the dead-man switch and the stick; used by the guard alone.

    Call order: `press` and `steer` as messages arrive, `contest` when it is found who sends them, `look` as time
    passes; `action` for each observation while it is `HELD`.

    Attributes:
        state: who drives.
        trouble: why nobody does, while `LOST`.
        speed: simulated seconds per second: people live in real ones.
    """

    def __init__(self, spec: ActionSpec, step_s: float) -> None:
        """Begin with a switch that may be held already."""
        self.state = Holding.SPENT
        self.trouble = ""
        self.speed = 1.0
        self._spec, self._step_s = spec, step_s
        self._pressed = False
        self._contested = ""
        self._heard_s: float | None = None
        """When the switch was last heard to be pressed, or first listened for."""
        self._pressed_s = self._steered_s = self._edge_s = -math.inf
        self._stick: np.ndarray | None = None
        self._refusal = ""
        self._before: np.ndarray | None = None

    def press(self, on: bool, now_s: float) -> None:
        """Hear the dead-man switch."""
        self.look(now_s)
        if not on and self._contested and self._is_held(now_s):
            # Of two people who say opposite things, one is still there.
            return
        if not on:
            self._pressed = False
            self.state, self.trouble = Holding.FREE, ""
            return
        if not self._pressed:
            self._pressed_s = now_s
        self._pressed, self._heard_s = True, now_s
        self.look(now_s)

    def steer(self, values: Mapping[str, float], now_s: float) -> str:
        """Hear the stick.

        Args:
            values: by name, in action units; a choice is a one-hot.
            now_s: the present.

        Returns:
            Why it is refused; empty if it is not. A stick that says what cannot be meant ends a takeover.
        """
        self._refusal = self._refuse(values)
        if not self._refusal:
            self._stick = np.clip([values[name] for name in self._spec.names], -1.0, 1.0).astype(np.float32)
        self._steered_s = now_s
        self.look(now_s)
        return self._refusal

    def contest(self, detail: str, now_s: float) -> None:
        """Note that more than one node sends switch or stick; empty if all is well."""
        self._contested = detail
        self.look(now_s)

    def look(self, now_s: float) -> None:
        """Let time pass."""
        if self._heard_s is None:
            self._heard_s = now_s
        silent_s = (now_s - self._heard_s) / self.speed
        if silent_s > LET_GO_S and self.state in (Holding.LOST, Holding.SPENT):
            self._pressed = False
            self.state, self.trouble = Holding.FREE, ""
        if not self._pressed or self.state in (Holding.LOST, Holding.SPENT):
            return
        if self._contested:
            self._lose(f"two people at once: {self._contested}")
        elif silent_s > SILENT_S:
            self._lose(f"takeover has not been heard for {SILENT_S:g} s")
        elif self._refusal and self._steered_s >= self._pressed_s:
            self._lose(f"teleop: {self._refusal}")
        elif (now_s - self._listened_s()) / self.speed > SILENT_S:
            self._lose(f"teleop has not been heard for {SILENT_S:g} s")
        elif self.state is Holding.FREE and self._is_fresh(now_s) and not self._refusal:
            self.state = Holding.HELD
            self.resume(now_s)

    def action(self, before: np.ndarray, now_s: float) -> np.ndarray:
        """The person's action for an observation, float32, shape (action size,).

        Args:
            before: the action applied before the person took over, or what the robot rests at.
            now_s: the present.
        """
        if self._stick is None:
            raise ValueError("nobody has taken over")
        wish = self._stick
        if not self._spec.discrete and (now_s - self._edge_s) / self.speed < EDGE_S:
            start = before if self._before is None else self._before
            most = RANGE * self._step_s / EDGE_S
            wish = (start + np.clip(wish - start, -most, most)).astype(np.float32)
        self._before = wish
        return wish

    def resume(self, now_s: float) -> None:
        """Note that actions begin to count again after a stop: the next one is as the first."""
        self._before, self._edge_s = None, now_s

    def _is_held(self, now_s: float) -> bool:
        return self._pressed and self._heard_s is not None and (now_s - self._heard_s) / self.speed <= SILENT_S

    def _listened_s(self) -> float:
        """Since when the stick has said nothing; who presses the switch first has time to reach for it."""
        return self._steered_s if self.state is Holding.HELD else max(self._steered_s, self._pressed_s)

    def _is_fresh(self, now_s: float) -> bool:
        return self._stick is not None and (now_s - self._steered_s) / self.speed <= SILENT_S

    def _lose(self, why: str) -> None:
        self.state = Holding.LOST
        self.trouble = f"{why}: let go, and press again to take over"

    def _refuse(self, values: Mapping[str, float]) -> str:
        names = self._spec.names
        if set(values) != set(names):
            return f"it names {', '.join(sorted(values)) or 'nothing'}, not {', '.join(names)}"
        if not all(math.isfinite(value) for value in values.values()):
            return "a value is not finite"
        if self._spec.discrete and sorted(values.values()) != [0.0] * (len(names) - 1) + [1.0]:
            return "a choice is a one-hot"
        return ""
