"""Task classes of a user's own package, by import path."""

import importlib
import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any, cast

from robot_mbrl.errors import ConfigError
from robot_mbrl.specs import VectorSpec
from robot_mbrl.tasks.task import Task

PATH_SEPARATOR = ":"
"""Between the module and the class, as in entry points of Python packages."""
METHODS = ("reset", "judge")


def import_task(path: str) -> type[Task]:
    """The task class at an import path.

    Args:
        path: `package.module:Class`.

    Raises:
        ConfigError: if the module cannot be imported, has no such class, or the class is no task.
    """
    module_name, _, class_name = path.partition(PATH_SEPARATOR)
    if not (_is_dotted(module_name) and class_name.isidentifier()):
        raise ConfigError(f"{path!r} is no import path of a class; write it as package.module:Class")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ConfigError(
            f"{path!r} cannot be imported here: {error}; install its package into this environment (pip install -e .), "
            f"or name its folder in PYTHONPATH, on each computer of the run"
        ) from error
    found = getattr(module, class_name, None)
    if not inspect.isclass(found):
        raise ConfigError(f"{path!r}: module {module_name!r} has no class {class_name!r}; it has {_classes(module)}")
    _require_task(path, found)
    return cast("type[Task]", found)


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _classes(module: ModuleType) -> list[str]:
    """Names of the classes that a module defines itself."""
    return [name for name, kind in inspect.getmembers(module, inspect.isclass) if kind.__module__ == module.__name__]


def _require_task(path: str, found: type[Any]) -> None:
    """Make sure that a class has what `Task` asks for, so that nothing is missing once the robot moves."""
    if missing := [name for name in METHODS if not callable(getattr(found, name, None))]:
        raise ConfigError(f"{path!r} is no task: it has no {' and no '.join(missing)}; see robot_mbrl.tasks.task.Task")
    reads = getattr(found, "reads", None)
    if not isinstance(reads, tuple) or not all(isinstance(name, str) for name in reads):
        raise ConfigError(f"{path!r} is no task: its reads must be a tuple of the names of the values it judges by")
    computes = getattr(found, "computes", {})
    if not isinstance(computes, Mapping) or not all(isinstance(group, VectorSpec) for group in computes.values()):
        raise ConfigError(f"{path!r}: its computes must map names of groups to robot_mbrl.specs.VectorSpec")
