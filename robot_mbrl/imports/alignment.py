"""How far topics of a recording may be apart where nothing in it can tell whether they are."""

from collections.abc import Iterator, Mapping, Sequence

from robot_mbrl.imports.clocks import SAME_CLOCK_S, Segment


def doubts(segments: Sequence[Segment], called: Mapping[str, str], step_s: float) -> Iterator[str]:
    """What a person should know of a recording on the axis of its stamps, in a sentence each.

    Half a step is the limit: what is apart by more is paired with another step's.

    Args:
        segments: the parts of the recording.
        called: the robot's names of its topics.
        step_s: duration of a step.
    """
    for segment in segments:
        late_s = segment.offsets_s
        if segment.axis != "stamps" or not late_s:
            continue
        slow, fast = max(late_s, key=lambda topic: late_s[topic]), min(late_s, key=lambda topic: late_s[topic])
        if (apart_s := late_s[slow] - late_s[fast]) > step_s / 2:
            yield (
                f"{called[slow]} arrives {apart_s:.3f} s later after its stamp than {called[fast]}, more than half a "
                f"step of {step_s:g} s: if that is not its way but another computer's clock, they are paired apart by "
                f"as much"
            )
        unstamped = [name for topic, name in called.items() if topic not in late_s]
        if unstamped and step_s / 2 < late_s[fast] <= SAME_CLOCK_S:
            yield (
                f"{', '.join(unstamped)} has no stamps and is put {late_s[fast]:.3f} s before it arrived, as "
                f"{called[fast]} says: more than half a step of {step_s:g} s, and wrong where its own way is shorter"
            )
