"""What a person tells the guard by switches on the network, and how long that counts when no more is heard."""

import math


class EnableSwitch:
    """On since a person said so; with a timeout, only while that is repeated, which makes it a dead-man switch.

    What has gone off by itself comes on by a new act only: after a timeout `true` counts once `false` was heard, so
    that a robot does not drive off by itself when a broken connection is there again.
    """

    def __init__(self, *, on: bool, timeout_s: float | None) -> None:
        """Begin on or off.

        Args:
            on: whether the robot may move before the switch is heard of, as a simulated one. Nobody is expected to
                enable it then: there is no timeout, and `revoke` does nothing.
            timeout_s: how long it stays on after it was last heard to be; None for as long as nothing else is heard.
        """
        self._unattended = on
        self._on = on
        self._timeout_s = math.inf if on or timeout_s is None else timeout_s
        self._heard_s = -math.inf
        self.lapsed = False
        """Whether it has to be let go before it counts again."""

    def hear(self, on: bool, now_s: float) -> None:
        """Note a message."""
        self._lapse(now_s)
        self.lapsed = self.lapsed and on
        self._on, self._heard_s = on and not self.lapsed, now_s

    def is_on(self, now_s: float) -> bool:
        """Whether the robot may move."""
        self._lapse(now_s)
        return self._on

    def revoke(self) -> None:
        """Take the permission back: a person has to give it anew; a dead-man switch has to be let go for that first."""
        if not self._unattended:
            self._on, self.lapsed = False, self._timeout_s < math.inf

    def _lapse(self, now_s: float) -> None:
        if self._on and now_s - self._heard_s > self._timeout_s:
            self._on, self.lapsed = False, True


class EmergencySwitch:
    """Pressed while the newest message says so; with a timeout, also for that long after any message said so.

    Without a timeout, one switch that is let go speaks for all of them; with it, all that are pressed repeat it.
    """

    def __init__(self, *, timeout_s: float | None) -> None:
        """Begin without having heard of it.

        Args:
            timeout_s: how long nothing may be heard; None if the switch need not be there.
        """
        self.timeout_s = timeout_s
        self._pressed = False
        self._heard_s = self._pressed_s = -math.inf

    def hear(self, pressed: bool, now_s: float) -> None:
        """Note a message."""
        self._pressed, self._heard_s = pressed, now_s
        if pressed:
            self._pressed_s = now_s

    @property
    def is_known(self) -> bool:
        """Whether it was ever heard of."""
        return self._heard_s > -math.inf

    def is_silent(self, now_s: float) -> bool:
        """Whether it should have been heard since."""
        return self.timeout_s is not None and now_s - self._heard_s > self.timeout_s

    def is_pressed(self, now_s: float) -> bool:
        """Whether it is known to be pressed."""
        return self._pressed or (self.timeout_s is not None and now_s - self._pressed_s <= self.timeout_s)
