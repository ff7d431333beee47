"""The nodes' logs as the person at the terminal needs them: warnings, errors and last words."""

import re
from collections.abc import Iterator
from pathlib import Path

from robot_mbrl.runs.throttle import Throttle

CHUNK_BYTES = 65536
"""Most that is read of a log at once; of what was written faster than that, the beginning is left out."""
TAIL_BYTES = 8192
"""How far back a node's last words are looked for."""
BURST = 5
"""Warnings of one node that are shown at once."""
PERIOD_S = 10.0
"""How often one more is shown after that."""
AGAIN_S = 60.0
"""After how long the same warning is shown again."""

WARNING = re.compile(r"\[(?:WARN|ERROR|FATAL)\s*\] \[[^\]]*\] \[[^\]]*\]: (?!(?:disabled|stopped|latched)\b)(.+)")
"""A line of ROS's loggers that people should see; the guard's states, the console tells."""
LAST_WORDS = re.compile(r"\[(?:ERROR|FATAL)\s*\]|[\w.]*(?:Error|Exception|Interrupt)\b.*")
"""How the line begins that says what a node died of; after it, libraries may have more to say."""


class Log:
    """Follows the log of one node; what it held before is left out."""

    def __init__(self, path: Path, *, whole: bool = False) -> None:
        """Begin at its end.

        Args:
            path: the file, which need not exist yet.
            whole: whether every line is for people, and not warnings and errors only.
        """
        self.path = path
        self._whole = whole
        self._offset = _size(path)
        self._rest = b""
        self._begun = self._offset
        self._throttle = Throttle(BURST, PERIOD_S)
        self._shown_s: dict[str, float] = {}

    def begin(self) -> None:
        """Note that the node is started anew: its last words come from here on."""
        self._begun = _size(self.path)

    def news(self, now_s: float) -> Iterator[str]:
        """Lines to show that are new, throttled; all of them if the whole log is for people."""
        for line in self._lines():
            if self._whole:
                yield line
            elif (found := WARNING.match(line)) and self._is_news(found[1], now_s):
                self._throttle.offer(found[1])
                if (text := self._throttle.due(now_s)) is not None:
                    yield text
        if (text := self._throttle.due(now_s)) is not None:
            yield text

    def last_words(self, count: int = 1) -> str:
        """What the node said of its end: the last error, or else its last lines."""
        with self.path.open("rb") as file:
            file.seek(max(self._begun, _size(self.path) - TAIL_BYTES))
            lines = [line for line in _text(file.read()).splitlines() if line.strip()]
        errors = [line for line in lines if LAST_WORDS.match(line)]
        return " | ".join((errors if errors and count == 1 else lines)[-count:]) or "it said nothing"

    def _is_news(self, text: str, now_s: float) -> bool:
        # Figures apart: a count or an age makes no new warning.
        pattern = re.sub(r"\d+", "#", text)
        if now_s - self._shown_s.get(pattern, now_s - AGAIN_S) < AGAIN_S:
            return False
        self._shown_s[pattern] = now_s
        return True

    def _lines(self) -> list[str]:
        size = _size(self.path)
        if size < self._offset:
            # Somebody emptied the file.
            self._offset, self._rest = 0, b""
        if size == self._offset:
            return []
        self._offset = max(self._offset, size - CHUNK_BYTES)
        with self.path.open("rb") as file:
            file.seek(self._offset)
            data = self._rest + file.read(CHUNK_BYTES)
            self._offset = file.tell()
        *lines, self._rest = data.split(b"\n")
        return [line for line in map(_text, lines) if line.strip()]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")
