"""The guard against bad hardware: generated cases in one process, and processes killed, stalled and lied to over DDS.

Run it with `python -m benchmarks.bad_hardware [--cases N] [--kills N] [--seed S] [--json]`. Every case is drawn from
the seed and its number alone; `--only NUMBER` lives through one again and tells what happened in it.
"""

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from benchmarks.campaign.case import run_case
from benchmarks.campaign.judge import Finding
from benchmarks.campaign.plan import draw_plan
from benchmarks.campaign.robots import KINDS as ROBOTS
from benchmarks.campaign.robots import LEGS

CASES, KILLS = 2000, 0
CHUNK = 50
"""Cases that a worker takes at a time."""
TELL_EVERY_S = 5.0
SHOWN = 20
"""Failures that are printed in full."""
KINDS = ("unsafe", "unexplained", "unanswered")


def judge_case(case: tuple[int, int, str | None]) -> tuple[int, list[Finding]]:
    """One case by seed, number and kind of robot."""
    seed, number, kind = case
    return number, run_case(draw_plan(seed, number, kind))


def judge_cases(
    seed: int, first: int, count: int, workers: int, kind: str | None
) -> Iterator[tuple[int, list[Finding]]]:
    """Cases in the order of their numbers."""
    cases = ((seed, number, kind) for number in range(first, first + count))
    if workers == 1:
        yield from map(judge_case, cases)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap(judge_case, cases, CHUNK)


class Tally:
    """Counts what was found, and tells of it on standard error."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(KINDS, 0)
        self.failed: list[int] = []
        self.texts: Counter[str] = Counter()
        self.examples: dict[str, int] = {}
        self._told_s = time.monotonic()

    def add(self, number: int, findings: list[Finding], name: str) -> None:
        """Count one case; one that has several findings of a kind counts once."""
        for kind in {finding.kind for finding in findings}:
            self.counts[kind] += 1
        for finding in findings:
            words = f"{finding.kind}: " + _without_numbers(finding.text)
            self.texts[words] += 1
            self.examples.setdefault(words, number)
        if findings:
            self.failed.append(number)
            if len(self.failed) <= SHOWN:
                tell(f"{name}: " + "; ".join(f"{f.at_s:.2f} s {f.kind}: {f.text}" for f in findings))

    def summary(self) -> dict[str, dict[str, int]]:
        """How often each thing was found, and where first."""
        return {words: {"count": n, "first": self.examples[words]} for words, n in self.texts.most_common()}

    def tell_progress(self, done: int, count: int) -> None:
        """Now and then, how far it is."""
        if time.monotonic() - self._told_s >= TELL_EVERY_S or done == count:
            self._told_s = time.monotonic()
            tell(f"{done} of {count} cases, {len(self.failed)} with findings")


def tell(text: str) -> None:
    """Say something beside the result."""
    print(text, file=sys.stderr, flush=True)


def _without_numbers(text: str) -> str:
    return " ".join(word if not any(c.isdigit() for c in word) else "#" for word in text.split())


def run_cases(args: argparse.Namespace) -> dict[str, Any]:
    """Live through the cases and count what was found."""
    tally, begin_s, done = Tally(), time.monotonic(), 0
    try:
        for number, findings in judge_cases(args.seed, args.first, args.cases, args.workers, args.robot):
            tally.add(number, findings, f"case {args.seed}/{number}")
            done += 1
            tally.tell_progress(done, args.cases)
    except KeyboardInterrupt:
        tell(f"interrupted: go on with --first {args.first + done} --cases {args.cases - done}")
    return {
        "cases": done,
        **tally.counts,
        "seconds": round(time.monotonic() - begin_s, 1),
        "next": args.first + done,
        "failed": tally.failed[:SHOWN],
        "findings": tally.summary(),
    }


def run_kills(args: argparse.Namespace) -> dict[str, Any]:
    """Let accidents happen over DDS and count what was found."""
    from benchmarks.campaign.graph import GraphError
    from benchmarks.campaign.kills import run_kills as live_through

    tally, begin_s, done = Tally(), time.monotonic(), 0
    fault = ""
    try:
        for number, accident, findings in live_through(args.seed, args.kills, args.first_kill):
            tally.add(number, findings, f"accident {number}, {accident}")
            done += 1
            tell(f"{done} of {args.kills} accidents: {accident}")
    except GraphError as error:
        # What was found until then is worth knowing; that a robot does not come back is found, too.
        fault = str(error)
        tally.add(-1, [Finding("unexplained", 0.0, fault)], "the graph")
    return {
        "kills": done,
        "error": fault,
        **tally.counts,
        "seconds": round(time.monotonic() - begin_s, 1),
        "failed": tally.failed[:SHOWN],
        "findings": tally.summary(),
    }


def show(seed: int, number: int, kind: str | None) -> int:
    """Live through one case, and tell all of it."""
    plan = draw_plan(seed, number, kind)
    print(plan)
    findings = run_case(plan)
    for finding in findings:
        print(f"  {finding.at_s:.3f} s {finding.kind}: {finding.text}")
    print("nothing was found" if not findings else f"{len(findings)} findings")
    return int(bool(findings))


def main() -> int:
    """Run the campaign; returns 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bad_hardware", description=__doc__)
    parser.add_argument(
        "--cases", type=int, default=CASES, help="generated cases in this process (default %(default)s)"
    )
    parser.add_argument("--kills", type=int, default=KILLS, help="kills, stalls and clock jumps over DDS (default 0)")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn")
    parser.add_argument("--first", type=int, default=0, help="number of the first case, to go on with a campaign")
    parser.add_argument("--first-kill", type=int, default=0, help="number of the first kill")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="live through this case alone and tell all of it")
    parser.add_argument(
        "--robot",
        choices=(*ROBOTS, LEGS),
        help=f"kind of robot of all cases (default: {', '.join(ROBOTS)} take turns)",
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that share the cases")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else on standard output")
    args = parser.parse_args()
    if args.only is not None:
        return show(args.seed, args.only, args.robot)
    result: dict[str, Any] = {"cases": 0, "kills": 0, **dict.fromkeys(KINDS, 0), "seed": args.seed}
    for key, part in (("in_process", run_cases), ("over_dds", run_kills)):
        counts = part(args)
        for name in ("cases", "kills", *KINDS):
            result[name] += counts.pop(name, 0)
        result[key] = counts
    print(json.dumps(result, indent=None if args.json else 2))
    return int(any(result[kind] for kind in KINDS))


if __name__ == "__main__":
    sys.exit(main())
