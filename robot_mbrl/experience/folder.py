"""Which files of a folder hold recorded experience, and why others are not read: people put all sorts of bags there."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

ENDING = ".mcap"
_DEPTH = 3
"""Folders within folders that are looked into."""
_FOREIGN = {
    ".db3": "a bag in SQLite; convert it: `ros2 bag convert` with `storage_id: mcap` for its output",
    ".bag": "a bag of ROS 1; convert it with `rosbags-convert` and give it as MCAP",
    ".mcap.zstd": "compressed as a whole; unpack it with `zstd -d`",
    ".mcap.zst": "compressed as a whole; unpack it with `zstd -d`",
    ".mcap.lz4": "compressed as a whole; unpack it with `lz4 -d`",
    ".mcap.gz": "compressed as a whole; unpack it with `gunzip`",
}
_BESIDE = frozenset({"metadata.yaml"})
"""What `ros2 bag record` puts beside its files."""
_PARTIAL = (".partial", ".part", ".tmp")


@dataclass(frozen=True)
class Sessions:
    """The files of a folder."""

    paths: tuple[Path, ...]
    """MCAP files, in the order in which they are read: by name, those of one bag as its metadata say."""
    unread: dict[str, str]
    """Why others are not read, by path."""

    def is_last(self, path: Path) -> bool:
        """Whether no file of the same folder comes after this one, which may therefore still grow."""
        return [other for other in self.paths if other.parent == path.parent][-1] == path


def find_sessions(folder: Path) -> Sessions:
    """What can be read in a folder and in the bags that are folders in it; it need not exist, or may be one file."""
    unread: dict[str, str] = {}
    if folder.is_file():
        reason = _why_unread(folder)
        return Sessions(() if reason else (folder.resolve(),), {str(folder): reason} if reason else {})
    return Sessions(tuple(_find(folder.resolve(), unread, _DEPTH)), unread)


def own_sessions(folder: Path) -> list[Path]:
    """The MCAP files that lie in a folder itself, as a recorder writes them, in the order of their names."""
    return sorted(path for path in folder.glob(f"*{ENDING}") if path.is_file())


def _find(folder: Path, unread: dict[str, str], depth: int) -> Iterator[Path]:
    try:
        entries = _ordered(folder)
    except OSError as error:
        if folder.exists() or folder.is_symlink():
            unread[str(folder)] = f"cannot be looked into ({error.strerror})"
        return
    for path in entries:
        if path.name.startswith(".") or path.name in _BESIDE or path.name.endswith(_PARTIAL):
            continue
        if path.is_dir():
            yield from _find_in_bag(path, unread, depth)
        elif reason := _why_unread(path):
            unread[str(path)] = reason
        else:
            yield path


def _find_in_bag(folder: Path, unread: dict[str, str], depth: int) -> Iterator[Path]:
    if depth == 0:
        unread[str(folder)] = "lies too deep in other folders; move it up"
        return
    named = len(unread)
    found = list(_find(folder, unread, depth - 1))
    if not found and len(unread) == named:
        unread[str(folder)] = f"a folder without a file that ends in {ENDING}"
    yield from found


def _why_unread(path: Path) -> str:
    """Empty for a file that may be read."""
    if not path.exists():
        return "a link that leads nowhere"
    if not path.is_file():
        return "neither a file nor a folder"
    for ending, reason in _FOREIGN.items():
        if path.name.endswith(ending):
            return reason
    return "" if path.name.endswith(ENDING) else f"no recording: those end in {ENDING}"


def _ordered(folder: Path) -> list[Path]:
    """Entries by name, numbers by their size; those that the metadata of a bag name come in their order."""
    named = {name: place for place, name in enumerate(files_of_bag(folder))}
    return sorted(folder.iterdir(), key=lambda path: (named.get(path.name, len(named)), natural(path.name)))


def files_of_bag(folder: Path) -> list[str]:
    """Names of a bag's files in the order that its metadata give; empty without metadata that say it."""
    try:
        raw = yaml.safe_load((folder / "metadata.yaml").read_text(encoding="utf-8"))
        return [Path(name).name for name in raw["rosbag2_bagfile_information"]["relative_file_paths"]]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        # Without them, or with others, names tell the order.
        return []


def natural(name: str) -> list[tuple[int, int | str]]:
    """Parts of a name such that `bag_10` comes after `bag_2`."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(part)) if part.isdecimal() else (0, part) for part in parts if part]
