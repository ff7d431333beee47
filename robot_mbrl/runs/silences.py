"""Who was heard regularly and is not heard any more: a process that hangs says nothing of it itself."""


class Silences:
    """Keeps when each of them was heard last."""

    def __init__(self, limit_s: float) -> None:
        """Nobody was heard yet.

        Args:
            limit_s: how long somebody may say nothing, seconds.
        """
        self._limit_s = limit_s
        self._heard_s: dict[str, float] = {}

    def hear(self, name: str, now_s: float) -> None:
        """Note that somebody was heard."""
        self._heard_s[name] = now_s

    def silent(self, now_s: float) -> dict[str, float]:
        """Those who are silent for longer than they may be, by name, with the seconds; in the order of their names."""
        ages_s = {name: now_s - heard_s for name, heard_s in sorted(self._heard_s.items())}
        return {name: age_s for name, age_s in ages_s.items() if age_s > self._limit_s}
