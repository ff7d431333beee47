"""Memory that is freed is kept for what comes next."""

import subprocess
import sys

import pytest

COUNTING = """
import resource
import torch
from robot_mbrl.learning.allocation import keep_freed_memory

def new_pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(1000, 1000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

assert keep_freed_memory()
new_pages()
print(new_pages())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's own settings")
def test_the_next_tensor_of_a_size_is_made_of_the_same_memory() -> None:
    done = subprocess.run([sys.executable, "-c", COUNTING], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100, "each tensor has 977 pages of 4 KiB"
