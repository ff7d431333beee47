"""A bag with the robot's own topics: sensed at the control rate as the sensor node would have, and judged anew."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from robot_mbrl.config import RobotConfig, RunConfig
from robot_mbrl.control.observing import Observer
from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience.message_files import RecordedMessage
from robot_mbrl.imports.alignment import doubts
from robot_mbrl.imports.clocks import Segment, Times, segments
from robot_mbrl.imports.commanded import Commanded
from robot_mbrl.imports.following import Following
from robot_mbrl.imports.hearing import Hearing
from robot_mbrl.imports.matching import Matching, Wanted, match_topics, wanted_of
from robot_mbrl.imports.playing import InOrder, Played, Playing
from robot_mbrl.imports.report import BagReport
from robot_mbrl.imports.storage import BagFiles
from robot_mbrl.messages import NANOSECONDS
from robot_mbrl.steps import Step
from robot_mbrl.topics import JOINT_STATE

SLOW_SHARE = 0.95
"""Share of the control rate below which a sensor's readings are repeated."""
_AXES = {"stamps": "the stamps of the messages", "arrival": "when the recorder received the messages"}


class ForeignBag:
    """Reads the steps of one bag; all that is to be told of it goes into the report."""

    def __init__(self, files: BagFiles, config: RunConfig, told: Mapping[str, str], report: BagReport) -> None:
        """Go through the bag once, for what is in it and for its times.

        Args:
            files: the bag, opened.
            config: the run that it is read for.
            told: which topic is which, where a person says so.
            report: is told what was found.

        Raises:
            ConfigError: if a person names a topic that is not there.
            ExperienceError: if something is missing that steps cannot be made without.
        """
        self._files, self._config, self._report = files, config, report
        observer = Observer(config.robot, config.observation_spec().images)
        self._matching = match_topics(wanted_of(config, observer.sources), files.topics(), told)
        report.missing, report.skipped = self._matching.missing, self._matching.skipped
        _require_all(self._matching)
        heard = Hearing(files, self._matching, report)
        self._require_content(heard)
        self._order, times = heard.in_order(report)
        self._robot = _as_stamped(config.robot, self._matching, heard, report)
        self._segments = segments(times, heard.names, self._stamped(heard))
        report.axis = " and ".join(_AXES[axis] for axis in sorted({segment.axis for segment in self._segments}))
        if len(self._segments) > 1:
            report.notes.append(f"a clock jumps in it: it is taken for {len(self._segments)} recordings")
        self._lasting: dict[str, Played] = {}
        self._tell_topics(times, heard.names)
        called = {topic: self._matching.found[topic].name for topic in heard.names}
        report.notes += dict.fromkeys(doubts(self._segments, called, config.step_s))

    def steps(self, session: str) -> Iterator[Step]:
        """The steps, in sessions that are named after this one."""
        spec = self._config.action_spec()
        commanded, following = Commanded(self._robot), Following(() if spec.discrete else spec.names)
        messages = (message for _, message in self._files.messages(self._wants, {}, self._order))
        lacking = ""
        for number, segment in enumerate(self._segments):
            commanded.forget()
            playing = Playing(self._config, self._robot, segment, f"{session}-{number}", commanded)
            for step in self._play(playing, segment, messages):
                following.add(step)
                yield step
            self._report.episodes += playing.stretches.episodes
            self._report.dropped += playing.stretches.dropped + playing.messages
            lacking = playing.lacking
        if lacking:
            self._report.notes.append(f"its sensors never spoke all at once: {lacking}")
        self._tell_actions(commanded, following)

    def _play(self, playing: Playing, segment: Segment, messages: Iterator[RecordedMessage]) -> Iterator[Step]:
        # What is latched is said once, and counts on after a clock was set.
        for played in self._lasting.values():
            yield from playing.play(replace(played, time_ns=int(segment.times_ns.min())))
        order = InOrder()
        for time_ns, message in zip(segment.times_ns.tolist(), messages, strict=False):
            want = self._matching.found[message.topic]
            if want.command is None and want.required and self._robot.sources[want.name].latched:
                self._lasting[want.name] = Played(time_ns, want, message)
            for played in order.add(Played(time_ns, want, message)):
                yield from playing.play(played)
        for played in order.rest():
            yield from playing.play(played)
        yield from playing.finish()
        playing.messages["message out of order"] += order.late

    def _wants(self, topic: str, beginning: bytes) -> bool:
        return topic in self._matching.found

    def _require_content(self, heard: Hearing) -> None:
        """Refuse a bag that has all topics, but nothing on one, or not the joints that are needed."""
        for topic, want in self._matching.found.items():
            if want.required and topic not in heard.names:
                self._report.missing[want.name] = f"{topic} is in the bag and holds no message"
            seen = heard.joints.get(topic, set())
            if seen and (lacking := sorted(_joints(self._config.robot, want) - seen)):
                self._report.missing[want.name] = (
                    f"{topic} has no joint {', '.join(lacking)}; it has {', '.join(sorted(seen))}"
                )
        _require_all(self._matching)

    def _stamped(self, heard: Hearing) -> dict[str, bool]:
        """Which topics have stamps that count."""
        sources = self._robot.sources
        declared = {
            topic: want.command is not None or not want.required or sources[want.name].stamped
            for topic, want in self._matching.found.items()
        }
        return {topic: declared[topic] and heard.stamped[topic] and not heard.is_empty(topic) for topic in heard.names}

    def _tell_topics(self, times: Times, names: list[str]) -> None:
        step_s, period_s = self._config.step_s, self._config.robot.period_s
        for topic, want in self._matching.found.items():
            if topic not in names:
                continue
            own = [s.times_ns[times.topic[s.start : s.stop] == names.index(topic)] for s in self._segments]
            told = _pace(own) | {"topic": topic}
            late = [(s.offsets_s[topic], s.jitter_s[topic]) for s in self._segments if topic in s.offsets_s]
            if late:
                told |= {"offset_s": round(late[0][0], 6), "jitter_s": round(late[0][1], 6)}
            self._report.topics[want.name] = told
            jitter_s = told.get("jitter_s") or 0.0
            if jitter_s > step_s / 2 and any(segment.axis == "arrival" for segment in self._segments):
                self._report.notes.append(
                    f"{want.name} comes up to {jitter_s:.3f} s later than usual, more than half a step of {step_s:g} "
                    f"s: what is paired with it may be apart by as much"
                )
            latched = want.required and want.command is None and self._robot.sources[want.name].latched
            sensed = want.required and want.command is None and not latched
            if sensed and told["rate_hz"] is not None and told["rate_hz"] < SLOW_SHARE / period_s:
                self._report.notes.append(
                    f"{want.name} comes at {told['rate_hz']:g} Hz and is sensed at {1 / period_s:g} Hz: readings repeat"
                )

    def _tell_actions(self, commanded: Commanded, following: Following) -> None:
        steps, notes = max(1, commanded.steps), self._report.notes
        for joint in self._config.robot.joints:
            outside, limited = commanded.outside[joint.name] / steps, commanded.limited[joint.name] / steps
            self._report.actions[joint.name] = {"outside": round(outside, 4), "limited": round(limited, 4)}
            if outside:
                notes.append(
                    f"{joint.name} is commanded beyond [{joint.low:g}, {joint.high:g}] {joint.unit} in {outside:.1%} "
                    f"of the steps: there the action is the nearest there is"
                )
            if joint.max_offset is not None:
                far = commanded.far[joint.name] / steps
                self._report.actions[joint.name]["far"] = round(far, 4)
                if far:
                    notes.append(
                        f"{joint.name}: in {far:.1%} of the steps the command is as far from the joint as max_offset "
                        f"({joint.max_offset:g} {joint.unit}) allows, or farther: what was wanted before that limit is "
                        f"not found out"
                    )
            if limited:
                notes.append(
                    f"{joint.name}: in {limited:.1%} of the steps the command changes as fast as max_rate allows: what "
                    f"was wanted before that filter is not found out"
                )
        notes += [
            f"{command.topic}: actions are what the commands stand for as they were sent, while the robot smooths what "
            f"is wanted below {command.filter.cutoff_hz:g} Hz first: its own commands are not found out again"
            for command in self._config.robot.commands
            if command.filter is not None
        ]
        for name, followed in following.found().items():
            self._report.actions[name]["follows"] = followed
            if not followed["clear"]:
                notes.append(
                    f"nothing that is observed follows the action {name} (the most, {followed['value']}, correlates by "
                    f"{followed['correlation']:+.2f}): is it the right topic, in the right unit?"
                )


def _require_all(matching: Matching) -> None:
    if matching.missing:
        told = "; ".join(f"{name}: {reason}" for name, reason in matching.missing.items())
        raise ExperienceError(f"no steps can be made of it: {told}")


def _joints(robot: RobotConfig, want: Wanted) -> set[str]:
    """Joints that JointStates on a topic must name."""
    if want.command is not None:
        return {joint.name for joint in want.command.joints}
    if not want.required or robot.sources[want.name].type != JOINT_STATE:
        return set()
    return {value.joint for _, source, value in robot.values() if source == want.name and value.joint is not None}


def _as_stamped(robot: RobotConfig, matching: Matching, heard: Hearing, report: BagReport) -> RobotConfig:
    """The robot with the sources that are not stamped in this bag told to be so."""
    sources = dict(robot.sources)
    for topic, want in matching.found.items():
        source = sources.get(want.name) if want.command is None else None
        if source is not None and source.stamped and heard.stamped[topic] and heard.is_empty(topic):
            sources[want.name] = source.model_copy(update={"stamped": False})
            report.notes.append(f"{want.name}: its stamps are empty, and when it arrived counts")
    return robot.model_copy(update={"sources": sources})


def _pace(times_ns: list[np.ndarray]) -> dict[str, Any]:
    """How many messages a topic has, how often they come, and how long it pauses at most."""
    apart_s = np.concatenate([np.diff(np.sort(own)) for own in times_ns]) / NANOSECONDS
    usual_s = float(np.median(apart_s)) if len(apart_s) else 0.0
    return {
        "messages": sum(map(len, times_ns)),
        "rate_hz": round(1.0 / usual_s, 2) if usual_s > 0.0 else None,
        "longest_gap_s": round(float(apart_s.max()), 3) if len(apart_s) else None,
    }
