"""What is amiss with a learner, by kind: said in a sentence when it comes, and kept for as long as it lasts."""

from collections.abc import Callable, Mapping


class Faults:
    """The faults that there are now."""

    def __init__(self, report: Callable[[str], object], *, once: bool = False) -> None:
        """None yet.

        Args:
            report: told each new one, in a sentence.
            once: whether one that comes back is not said again.
        """
        self._report = report
        self._once = once
        self._said: set[str] = set()
        self._present: dict[str, str] = {}

    def __contains__(self, kind: str) -> bool:
        return kind in self._present

    def __str__(self) -> str:
        return "; ".join(self._present.values())

    def note(self, kind: str, sentence: str) -> None:
        """There is a fault of this kind; one that was there before is not said again."""
        if kind not in (self._said if self._once else self._present):
            self._report(sentence)
        self._said.add(kind)
        self._present[kind] = sentence

    def set(self, prefix: str, sentences: Mapping[str, str]) -> None:
        """Of the kinds that begin so, there are these now, by the rest of their names, and no others."""
        for kind in [kind for kind in self._present if kind.startswith(prefix)]:
            if kind.removeprefix(prefix) not in sentences:
                self.mend(kind)
        for kind, sentence in sentences.items():
            self.note(prefix + kind, sentence)

    def mend(self, kind: str, sentence: str = "") -> None:
        """There is none of this kind any more; says the sentence if there was."""
        if self._present.pop(kind, "") and sentence:
            self._report(sentence)
