"""An agent's update as one CUDA graph: launched once, where thousands of small kernels keep the host busy.

The graph reads batches from buffers that stay where they are, draws from generators that are registered with it, and
leaves metrics and latents where the next update overwrites them. See "CUDA graphs" in torch's notes on CUDA.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from robot_mbrl.agents.agent import Agent, Capturable, Learned
from robot_mbrl.errors import ConfigError
from robot_mbrl.world_models.batch import Batch

Update = Callable[[Mapping[str, Batch]], Learned]
WARM_UP_UPDATES = 3
"""Made before a capture, as torch asks: they make moments and workspaces that a graph must find in place."""


def updating(agent: Agent, device: torch.device, *, capture: bool = True) -> Update:
    """How updates of an agent are made on a device: as one graph where both can, else as the agent does it.

    Args:
        agent: what learns.
        device: where it learns.
        capture: whether to use a graph if it can be done.
    """
    if not capture or (why_eager(agent, device)):
        return agent.update
    assert isinstance(agent, Capturable)
    return CapturedUpdate(agent, device).update


def why_eager(agent: Agent, device: torch.device) -> str:
    """Why updates cannot be captured, in a clause; empty if they can."""
    if device.type != "cuda":
        return f"there are no CUDA graphs on the device {device}"
    if not isinstance(agent, Capturable):
        return f"{type(agent).__name__} does not say that its update can be captured (agents.agent.Capturable)"
    return ""


class CapturedUpdate:
    """An agent's updates on a GPU, captured after the first few.

    What an update returns is overwritten by the next. The agent must not load another state once it was captured.
    """

    def __init__(self, agent: Capturable, device: torch.device) -> None:
        """Capture nothing yet.

        Args:
            agent: what learns, on the device.
            device: a GPU.
        """
        self._agent = agent
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        """Warm-ups must not be made on the default stream."""
        self._made = 0
        self._batches: dict[str, Batch] = {}
        self._graph: torch.cuda.CUDAGraph | None = None
        self._learned = Learned({})

    def update(self, batches: Mapping[str, Batch]) -> Learned:
        """Learn as `Agent.update` does.

        Args:
            batches: by the names of the agent's draws, on whatever device; of the same shapes each time.

        Raises:
            ConfigError: if the update cannot be captured.
            ValueError: if a batch has another shape than the first one.
        """
        if not self._batches:
            self._batches = {name: _like(batch, self._stream.device) for name, batch in batches.items()}
        for name, batch in batches.items():
            _copy(batch, self._batches[name])
        if self._made < WARM_UP_UPDATES:
            self._learned = self._eager()
        else:
            if self._graph is None:
                self._graph = self._capture()
            self._graph.replay()
        self._made += 1
        self._agent.computed()
        return self._learned

    def _eager(self) -> Learned:
        current = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            learned = self._agent.compute(self._batches)
        current.wait_stream(self._stream)
        return learned

    def _capture(self) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        for generator in self._agent.generators:
            graph.register_generator_state(generator)
        try:
            # Thread-local, since another thread may be writing a checkpoint meanwhile.
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                self._learned = self._agent.compute(self._batches)
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            raise ConfigError(
                f"agent.cuda_graph: the update cannot be captured in a CUDA graph ({reason}): set it to false"
            ) from error
        return graph


def _tensors(batch: Batch) -> dict[str, Tensor]:
    """A batch's tensors by field, and by field and name."""
    single = {name: part for name, part in batch._asdict().items() if isinstance(part, Tensor)}
    named = {name: part for name, part in batch._asdict().items() if isinstance(part, dict)}
    return single | {f"{field}.{name}": value for field, part in named.items() for name, value in part.items()}


def _like(batch: Batch, device: torch.device) -> Batch:
    """An empty batch of the same shapes; contiguous, whatever replay's pictures are."""

    def empty(part: Tensor | dict[str, Tensor]) -> Any:
        if isinstance(part, dict):
            return {name: empty(value) for name, value in part.items()}
        return torch.empty(part.shape, dtype=part.dtype, device=device)

    return Batch(*(empty(part) for part in batch))


def _copy(source: Batch, target: Batch) -> None:
    """Overwrite a batch in place."""
    sources, targets = _tensors(source), _tensors(target)
    for name, tensor in targets.items():
        if sources[name].shape != tensor.shape:
            raise ValueError(
                f"{name} has the shape {tuple(sources[name].shape)}, the update was captured with {tuple(tensor.shape)}"
            )
        tensor.copy_(sources[name], non_blocking=True)
