"""What a person tells the guard by switches on the network, and how long that counts when no more is heard."""

import math
from enum import StrEnum

LET_GO_S = 2.0
"""So long nobody may have said `true` for everybody to have let go, where there is no timeout: whoever publishes all
the time does so once a second at least. A dead-man switch repeats itself within its timeout."""


class Enabling(StrEnum):
    """Whether a person lets the robot move."""

    OFF = "off"
    """The next `true` enables."""
    ON = "on"
    """The robot may move."""
    HELD_OFF = "held off"
    """`true` counts for nothing until everybody who says it has let go."""


class EnableEvent(StrEnum):
    """What is heard of the switches, or not."""

    TRUE = "true"
    FALSE = "false"
    LET_GO = "everybody has let go"
    TIMEOUT = "true was not repeated in time"
    REVOKED = "a fault or a silence takes it back"


TRANSITIONS: dict[tuple[Enabling, EnableEvent], Enabling] = {
    (Enabling.OFF, EnableEvent.TRUE): Enabling.ON,
    (Enabling.OFF, EnableEvent.REVOKED): Enabling.HELD_OFF,
    (Enabling.ON, EnableEvent.FALSE): Enabling.HELD_OFF,
    (Enabling.ON, EnableEvent.TIMEOUT): Enabling.HELD_OFF,
    (Enabling.ON, EnableEvent.REVOKED): Enabling.HELD_OFF,
    (Enabling.HELD_OFF, EnableEvent.LET_GO): Enabling.OFF,
}
"""What follows from each event; what is not here changes nothing. `false` wins over every switch that is held:
whoever goes on saying `true` has not let go, and messages do not tell who says it."""


class EnableSwitch:
    """On since a person said so; with a timeout, only while that is repeated, which makes it a dead-man switch.

    Everybody has let go once nobody has said `true` for the timeout, or for `LET_GO_S` without one. A dead-man switch
    that has only fallen silent is not let go: `false` must be the last thing heard, or a robot would drive off by
    itself when a broken connection is there again.
    """

    def __init__(self, *, on: bool, timeout_s: float | None) -> None:
        """Begin on or off.

        Args:
            on: whether the robot may move before the switch is heard of, as a simulated one. Nobody is expected to
                enable it then: there is no timeout, `revoke` does nothing, and `true` counts at once.
            timeout_s: how long it stays on after it was last heard to be; None for as long as nothing else is heard.
        """
        # A switch that was held before this guard was started has to be let go, too.
        self.state = Enabling.ON if on else Enabling.HELD_OFF
        self._unattended = on
        self.timeout_s = math.inf if on or timeout_s is None else timeout_s
        self._heard = on
        self._revoked = False
        self.was_pressed = False
        """Whether anybody has said `true` yet."""
        self._true_s: float | None = None
        """When `true` was last heard, or the switch first asked."""

    def hear(self, on: bool, now_s: float) -> None:
        """Note a message."""
        self._pass(now_s)
        self._heard = on
        if self._unattended:
            self.state = Enabling.ON if on else Enabling.OFF
            return
        if on:
            self._true_s, self.was_pressed = now_s, True
        self._follow(EnableEvent.TRUE if on else EnableEvent.FALSE)
        if self.state is Enabling.ON:
            self._revoked = False

    def is_on(self, now_s: float) -> bool:
        """Whether the robot may move."""
        self._pass(now_s)
        return self.state is Enabling.ON

    def is_held_off(self, now_s: float) -> bool:
        """Whether somebody has to let go before `true` counts again."""
        self._pass(now_s)
        return self.state is Enabling.HELD_OFF

    @property
    def fell_silent(self) -> bool:
        """Whether a dead-man switch is off for want of being heard alone."""
        return self.state is Enabling.HELD_OFF and self._heard and not self._revoked

    def revoke(self) -> None:
        """Take the permission back: a person has to give it anew, once everybody has let go."""
        if not self._unattended:
            self._revoked = True
            self._follow(EnableEvent.REVOKED)

    def _pass(self, now_s: float) -> None:
        if self._unattended:
            return
        if self._true_s is None:
            self._true_s = now_s
        silent_s, dead_man = now_s - self._true_s, self.timeout_s < math.inf
        if silent_s > self.timeout_s:
            self._follow(EnableEvent.TIMEOUT)
        if silent_s > (self.timeout_s if dead_man else LET_GO_S) and not (dead_man and self._heard):
            self._follow(EnableEvent.LET_GO)

    def _follow(self, event: EnableEvent) -> None:
        self.state = TRANSITIONS.get((self.state, event), self.state)


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
