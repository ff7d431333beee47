"""A nested state taken apart into what JSON holds and what safetensors holds, and put together again: no pickle.

Each tensor is named by its path, such as `agent.networks.actor.last.weight`, and leaves `{"tensor": name}` in its
place. Mappings become lists of pairs, since JSON has no keys but strings.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

_TENSOR, _MAPPING = "tensor", "mapping"


def split(state: Any, path: str = "") -> tuple[Any, dict[str, Tensor]]:
    """Take a state apart.

    Args:
        state: mappings, lists, tuples, tensors, strings, numbers, booleans and None, nested.
        path: where it belongs.

    Returns:
        What JSON holds; and the tensors by name, as they are.

    Raises:
        TypeError: if there is anything else in it.
    """
    if isinstance(state, Tensor):
        return {_TENSOR: path}, {path: state}
    if isinstance(state, Mapping):
        children = {key: split(value, f"{path}.{key}" if path else str(key)) for key, value in state.items()}
        return {_MAPPING: [[key, node] for key, (node, _) in children.items()]}, _union(children.values())
    if isinstance(state, list | tuple):
        parts = [split(value, f"{path}.{index}") for index, value in enumerate(state)]
        return [node for node, _ in parts], _union(parts)
    if state is None or isinstance(state, str | int | float):
        return state, {}
    raise TypeError(f"{path}: a checkpoint cannot hold {type(state).__name__}")


def join(node: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Put a state together again; tuples have become lists.

    Raises:
        KeyError: if a tensor is missing.
    """
    if isinstance(node, dict):
        if _TENSOR in node:
            return tensors[node[_TENSOR]]
        return {key: join(child, tensors) for key, child in node[_MAPPING]}
    if isinstance(node, list):
        return [join(child, tensors) for child in node]
    return node


def _union(parts: Any) -> dict[str, Tensor]:
    return {name: tensor for _, tensors in parts for name, tensor in tensors.items()}
