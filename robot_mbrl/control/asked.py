"""Slow moves that somebody asks for again and again: home, or back inside the bounds."""

import math

from robot_mbrl.control.pipeline import Motion

ASKED_S = 1.0
"""A move goes on for this long after it was last asked for."""


class AskedMove:
    """The move that is asked for.

    What calls it off must not be outlasted by whoever goes on asking: the asking has to cease for as long as a move
    goes on, and then begin anew.

    Attributes:
        called_off: what has ended the move that is still asked for; empty if nothing has.
    """

    def __init__(self) -> None:
        """Nothing is asked for."""
        self.called_off = ""
        self._motion = Motion.STOP
        self._asked_s = self._until_s = -math.inf

    def ask(self, motion: Motion, now_s: float, hindrance: str = "") -> bool:
        """Ask for a move.

        Args:
            motion: which.
            now_s: the present.
            hindrance: why it cannot be now; empty if it can.

        Returns:
            Whether it goes on.
        """
        if motion is not self._motion or now_s - self._asked_s > ASKED_S:
            self.called_off = ""
        self._motion, self._asked_s = motion, now_s
        self._until_s = -math.inf if hindrance or self.called_off else now_s + ASKED_S
        return self.goes_on(motion, now_s)

    def goes_on(self, motion: Motion, now_s: float) -> bool:
        """Whether this move is under way."""
        return self._motion is motion and now_s < self._until_s

    def end(self) -> None:
        """The move is over; it may be asked for again."""
        self._until_s = -math.inf

    def call_off(self, why: str, now_s: float) -> None:
        """End the move that is asked for, if one is."""
        if now_s - self._asked_s <= ASKED_S and not self.called_off:
            self.called_off = why
        self.end()
