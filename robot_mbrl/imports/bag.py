"""What people give as a bag: a file or a folder of rosbag2, as MCAP or SQLite, split and compressed as they like."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from robot_mbrl.errors import ConfigError
from robot_mbrl.experience.folder import files_of_bag, find_sessions, natural
from robot_mbrl.runs.folder import RunFolder

RECORDED = (".mcap", ".db3")
PACKED = (".zstd", ".zst")
"""Endings that stand behind those of files that are compressed as a whole."""
METADATA = "metadata.yaml"
_REFUSED = {
    ".bag": "a bag of ROS 1: convert it with `rosbags-convert`, and give what that writes",
    ".lz4": "compressed as a whole: unpack it with `lz4 -d`",
    ".gz": "compressed as a whole: unpack it with `gunzip`",
}


@dataclass(frozen=True)
class Bag:
    """One recording.

    Attributes:
        path: as it was named.
        parts: its files, in the order that its metadata or else their names give.
        missing: files that its metadata name and that are not there.
        left_out: files that are not read, with the reason.
        messages_packed: whether each message is compressed by itself.
        is_run: whether it is the folder of one of our runs.
    """

    path: Path
    parts: tuple[Path, ...]
    missing: tuple[str, ...] = ()
    left_out: tuple[tuple[Path, str], ...] = ()
    messages_packed: bool = False
    is_run: bool = False

    @property
    def format(self) -> str:
        """How it is stored, in a few words."""
        endings = sorted({"".join(part.suffixes[-2:]) if is_packed(part) else part.suffix for part in self.parts})
        words = [", ".join(ending.lstrip(".") for ending in endings) or "no file"]
        words += [f"{len(self.parts)} files"] if len(self.parts) > 1 else []
        words += ["messages compressed"] if self.messages_packed else []
        return "; ".join(words)


def find_bags(source: Path) -> list[Bag]:
    """The bags that a path leads to: a file, a bag's folder, a folder of bags, or the folder of a run.

    Raises:
        ConfigError: if there is nothing at the path, or no bag.
    """
    if not source.exists():
        raise ConfigError(f"{source} is not there: name the folder of a run, a bag, or a file of one")
    if source.is_file():
        reason = _refusal(source)
        return [Bag(source, (), left_out=((source, reason),)) if reason else Bag(source, (source,))]
    if RunFolder(source).config.is_file():
        sessions = find_sessions(RunFolder(source).bags)
        unread = tuple((Path(path), reason) for path, reason in sessions.unread.items())
        return [Bag(source, sessions.paths, left_out=unread, is_run=True)]
    found = list(_in_folder(source))
    if not found:
        raise ConfigError(f"{source}: no bag in it: those end in {' or '.join(RECORDED)}, packed or not")
    return found


def is_packed(path: Path) -> bool:
    """Whether a file is compressed as a whole."""
    return path.suffix in PACKED


def _in_folder(folder: Path) -> Iterator[Bag]:
    entries = sorted(folder.iterdir(), key=lambda path: natural(path.name))
    refused = [(path, reason) for path in entries if path.is_file() and (reason := _refusal(path))]
    files = [path for path in entries if path.is_file() and not _refusal(path) and _is_recorded(path)]
    told = files_of_bag(folder)
    if files or told:
        yield _bag(folder, files, told, refused)
    elif refused:
        yield Bag(folder, (), left_out=tuple(refused))
    for path in entries:
        if path.is_dir() and not path.name.startswith("."):
            yield from _in_folder(path)


def _bag(folder: Path, files: list[Path], told: list[str], refused: list[tuple[Path, str]]) -> Bag:
    by_name = {_unpacked_name(path): path for path in files if is_packed(path)}
    by_name |= {path.name: path for path in files if not is_packed(path)}
    twice = [(path, f"the same as {by_name[_unpacked_name(path)].name}, which is not packed") for path in files]
    twice = [(path, reason) for path, reason in twice if by_name[_unpacked_name(path)] != path]
    named = [_unpacked_name(Path(name)) for name in told]
    order = {name: place for place, name in enumerate(named)}
    parts = sorted(by_name, key=lambda name: (order.get(name, len(order)), natural(name)))
    return Bag(
        folder,
        tuple(by_name[name] for name in parts),
        missing=tuple(name for name in named if name not in by_name),
        left_out=(*refused, *twice),
        messages_packed=_packs_messages(folder),
    )


def _unpacked_name(path: Path) -> str:
    return path.stem if is_packed(path) else path.name


def _is_recorded(path: Path) -> bool:
    return Path(_unpacked_name(path)).suffix in RECORDED and not path.name.startswith(".")


def _refusal(path: Path) -> str:
    """Why a file is no part of a bag although it seems to be; empty if it is, or does not seem so."""
    inner = Path(path.stem).suffix
    if path.suffix == ".bag":
        return _REFUSED[path.suffix]
    return _REFUSED.get(path.suffix, "") if inner in RECORDED else ""


def _packs_messages(folder: Path) -> bool:
    try:
        raw: Any = yaml.safe_load((folder / METADATA).read_text(encoding="utf-8"))
        return str(raw["rosbag2_bagfile_information"]["compression_mode"]).lower() == "message"
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        # Bags need no metadata, and those of others may be anything.
        return False
