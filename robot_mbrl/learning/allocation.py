"""Memory that an update frees is kept for the next one: asking the kernel for it again costs time.

An update makes and frees thousands of tensors of the same sizes. The C library returns large ones to the kernel at
once, and the next tensor of that size is then made of new pages, each of which the kernel has to find and to zero when
it is first written to. docs/benchmarks.md has what it costs.
"""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Names of two settings of glibc's `mallopt`."""
_NEVER = -1
_LARGEST = 32 * 2**20
"""Bytes; glibc takes no larger threshold. What is larger still comes from the kernel and goes back to it."""


def keep_freed_memory() -> bool:
    """Have this process keep what it frees, up to the most it has needed at a time.

    Returns:
        Whether the C library knows how: others than glibc are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST) and mallopt(_TRIM_THRESHOLD, _NEVER))
