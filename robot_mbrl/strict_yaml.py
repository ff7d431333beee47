"""YAML as people write it: UTF-8 whatever the locale, and no field given twice, of which YAML would keep the last."""

from collections import deque
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml

from robot_mbrl.errors import ConfigError

# The parser in C, where PyYAML was built with it: ten times as fast, and commands that stop a robot wait for it.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_mapping(path: Path) -> dict[str, Any]:
    """The fields of a YAML file.

    Raises:
        ConfigError: if it cannot be read, is not UTF-8 or no mapping, or gives a field twice; file and line are named.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}, line {line}: byte 0x{data[error.start]:02x} is not UTF-8, which YAML files are: save it as UTF-8"
        ) from None
    raw = parse(text, str(path))
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: must be a mapping of fields, not {type(raw).__name__}")
    return raw


def parse(text: str, origin: str) -> Any:
    """The value of a YAML document.

    Args:
        text: the document.
        origin: what it is called in errors, such as the path of its file.

    Raises:
        ConfigError: if it is not YAML, or gives a field twice.
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            for complaint in _repetitions(node):
                raise ConfigError(f"{origin}, {complaint}")
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{origin}: cannot be read as YAML: {error}") from error
    except RecursionError:
        raise ConfigError(f"{origin}: cannot be read as YAML: it is nested too deeply") from None


def _repetitions(root: yaml.Node) -> Iterator[str]:
    """A complaint for each field that is given again, with its line and its dotted path."""
    met: set[int] = set()
    waiting: deque[tuple[yaml.Node, str]] = deque([(root, "")])
    while waiting:
        node, path = waiting.popleft()
        # An anchor may be referred to from many places, even from within itself.
        if id(node) in met:
            continue
        met.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += [(item, f"{path}.{index}" if path else str(index)) for index, item in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            lines: dict[Hashable, int] = {}
            for key, value in node.value:
                name = f"{path}.{key.value}" if path else str(key.value)
                waiting.append((value, name))
                if not isinstance(key, yaml.ScalarNode):
                    continue
                line, mark = key.start_mark.line + 1, (key.tag, key.value)
                if mark in lines:
                    yield f"line {line}: {name} is given twice (first in line {lines[mark]}): leave one of them out"
                lines[mark] = line
