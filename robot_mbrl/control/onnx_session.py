"""Opening an ONNX file with one of ONNX Runtime's execution providers.

Threads sleep between steps: spinning ones were seen to raise the worst step of a 100 Hz loop from 6 to 17 ms on a
shared machine.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as runtime_errors

from robot_mbrl.errors import BundleError

ProviderName = Literal["cpu", "cuda", "tensorrt"]
"""What computes a policy."""
PROVIDERS: dict[ProviderName, str] = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""Names of the providers in ONNX Runtime."""

WARNING, FATAL = 2, 4
"""ONNX Runtime's levels of logging."""

# ONNX Runtime's exceptions have no common base of their own.
RUNTIME_ERRORS = (
    runtime_errors.EPFail,
    runtime_errors.EngineError,
    runtime_errors.Fail,
    runtime_errors.InvalidArgument,
    runtime_errors.InvalidGraph,
    runtime_errors.InvalidProtobuf,
    runtime_errors.NoModel,
    runtime_errors.NotImplemented,
    runtime_errors.RuntimeException,
    RuntimeError,
    ValueError,
)


class ProviderError(BundleError):
    """A provider cannot be used here, whatever the bundle."""


def offered() -> tuple[ProviderName, ...]:
    """Providers that the installed ONNX Runtime was built with; whether their libraries are there shows when used."""
    available = onnxruntime.get_available_providers()
    return tuple(name for name, provider in PROVIDERS.items() if provider in available)


def open_session(data: bytes, name: str, provider: ProviderName, threads: int) -> onnxruntime.InferenceSession:
    """Open a file.

    Args:
        data: its content.
        name: what errors call it.
        provider: what is to compute it.
        threads: how many threads compute an operation on the CPU.

    Raises:
        ProviderError: if the provider is missing or does not start.
        BundleError: if the file is damaged or not ONNX.
    """
    if provider not in offered():
        raise ProviderError(f"provider {provider}: the installed ONNX Runtime has none; install onnxruntime-gpu")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = FATAL  # What it logs is also raised, and reported by the caller.
    wanted = [PROVIDERS[provider], *([PROVIDERS["cpu"]] if provider != "cpu" else [])]
    try:
        with _quiet(provider):
            session = onnxruntime.InferenceSession(data, options, providers=wanted, enable_fallback=0)
    except RUNTIME_ERRORS as error:
        if provider != "cpu":
            raise ProviderError(f"provider {provider}: {first_line(error)}") from error
        raise BundleError(
            f"{name}: ONNX Runtime cannot open it ({first_line(error)}); it is damaged or not ONNX: export it again"
        ) from error
    if session.get_providers()[0] != wanted[0]:
        # ONNX Runtime goes back to the CPU without raising anything.
        raise ProviderError(f"provider {provider}: its libraries or its device are missing here")
    return session


@contextmanager
def _quiet(provider: ProviderName) -> Iterator[None]:
    """Keep what ONNX Runtime prints of libraries that it does not find off the terminal: the caller tells it."""
    if provider == "cpu":
        yield
        return
    onnxruntime.set_default_logger_severity(FATAL)
    try:
        yield
    finally:
        onnxruntime.set_default_logger_severity(WARNING)


def first_line(error: BaseException) -> str:
    """The part of ONNX Runtime's errors that people can read."""
    return str(error).partition("\n")[0]
