"""A process that makes one update whenever it is asked to, so that two implementations can be measured in turns.

It speaks JSON, a line each: first what it is, then for every number of threads it reads the durations of an update.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping

import torch


def serve(described: Mapping[str, str | int], update: Callable[[], object]) -> None:
    """Describe what is measured, then make updates until standard input ends.

    Args:
        described: the implementation's name and version, and how many numbers it learns.
        update: makes one update.
    """
    # What libraries print must not stand between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps(described), file=answers, flush=True)
    for line in sys.stdin:
        torch.set_num_threads(int(line))
        start_s, start_processor_s = time.perf_counter(), time.process_time()
        update()
        durations = {
            "wall_s": time.perf_counter() - start_s,
            "processor_s": time.process_time() - start_processor_s,
        }
        print(json.dumps(durations), file=answers, flush=True)
