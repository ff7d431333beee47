"""A LeRobot dataset of version 3: parquet for what is measured and done, MP4 for pictures, JSON for what they mean.

The format is that of https://huggingface.co/docs/lerobot/lerobot-dataset-v3 and of `lerobot` 0.4: many episodes lie in
one file, and `meta/episodes` tells where each begins. A frame is (o_k, a_k, r_{k+1}): the last observation of an
episode, on which nothing was done, is left out.
"""

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from robot_mbrl.config import RunConfig
from robot_mbrl.errors import ConfigError
from robot_mbrl.exports.statistics import joined, of_elements, of_pictures
from robot_mbrl.exports.video import CHUNK_FILES, VideoWriter
from robot_mbrl.runs.folder import write_json
from robot_mbrl.specs import ActionSpec, ObservationSpec
from robot_mbrl.steps import Step

VERSION = "v3.0"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA_MB, VIDEO_MB = 100, 200
"""Sizes at which files are finished and others begun, megabytes."""
STATE, ACTION, IMAGES = "observation.state", "action", "observation.images."
_SCALARS = {
    "next.reward": "float32",
    "next.done": "bool",
    "next.success": "bool",
    "source": "int64",
    "policy_version": "int64",
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        episodes: how many.
        frames: how many of them, in all.
        left_out: what of the run the format has no place for, with the reason.
    """

    episodes: int
    frames: int
    left_out: dict[str, str]


class LeRobotDataset:
    """Writes one dataset into a new folder; a context manager.

    Call order: `add` for each episode; leaving the context finishes it, or by an error removes it.
    """

    def __init__(self, root: Path, config: RunConfig) -> None:
        """Create the folder.

        Args:
            root: the dataset's folder, which must not be there yet.
            config: the run whose episodes are written.

        Raises:
            ConfigError: if it is there already or cannot be made.
        """
        try:
            root.mkdir(parents=True)
        except FileExistsError:
            raise ConfigError(f"{root} is there already: name a new folder for the dataset") from None
        self._root = root
        self._observation, self._action = config.observation_spec(), config.action_spec()
        self._task = config.task.description or config.task.name
        self._robot = config.robot.name
        self._fps = Fraction(1 / config.step_s).limit_denominator(1000)
        self.left_out = {
            name: "LeRobot has no depths" for name, image in self._observation.images.items() if image.is_depth
        }
        """What the format has no place for, with the reason."""
        cameras = [name for name in self._observation.images if name not in self.left_out]
        self._features = _features(self._observation, self._action, cameras)
        self._data = _DataFiles(root, _schema(self._features))
        self._videos = {name: VideoWriter(root, IMAGES + name, self._fps, VIDEO_PATH, VIDEO_MB) for name in cameras}
        self._rows: list[dict[str, Any]] = []
        self._statistics: list[dict[str, dict[str, np.ndarray]]] = []
        self.frames = 0
        """Frames written so far."""

    def __enter__(self) -> "LeRobotDataset":
        return self

    def __exit__(self, *error: object) -> None:
        self._data.close()
        for video in self._videos.values():
            video.close()
        if error[0] is None:
            self._write_meta()
        else:
            # Half a dataset is none, and would be in the way of the next try.
            shutil.rmtree(self._root)

    @property
    def episodes(self) -> int:
        """Episodes written so far."""
        return len(self._rows)

    def add(self, steps: Sequence[Step]) -> None:
        """Write one episode of two steps at least."""
        frames = len(steps) - 1
        columns = _columns(steps, self._observation, self._fps) | {
            "episode_index": np.full(frames, self.episodes),
            "index": np.arange(self.frames, self.frames + frames),
            "task_index": np.zeros(frames, np.int64),
        }
        statistics = {name: of_elements(values) for name, values in columns.items()}
        row: dict[str, Any] = {
            "episode_index": self.episodes,
            "tasks": [self._task],
            "length": frames,
            "dataset_from_index": self.frames,
            "dataset_to_index": self.frames + frames,
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
        }
        row |= _placed("data", *self._data.add(columns))
        for name, video in self._videos.items():
            pictures = np.stack([step.observation.images[name] for step in steps[:-1]])
            place = video.add(pictures)
            row |= _placed(f"videos/{IMAGES}{name}", place.chunk, place.file)
            row |= {f"videos/{IMAGES}{name}/from_timestamp": place.from_s}
            row |= {f"videos/{IMAGES}{name}/to_timestamp": place.to_s}
            statistics[IMAGES + name] = of_pictures(pictures)
        self._rows.append(row)
        self._statistics.append(statistics)
        self.frames += frames

    def _write_meta(self) -> None:
        meta = self._root / "meta"
        meta.mkdir(exist_ok=True)
        features = {name: dict(feature) for name, feature in self._features.items()}
        for name, video in self._videos.items():
            features[IMAGES + name]["info"] = video.info
        write_json(
            meta / "info.json",
            {
                "codebase_version": VERSION,
                "robot_type": self._robot,
                "total_episodes": self.episodes,
                "total_frames": self.frames,
                "total_tasks": 1,
                "chunks_size": CHUNK_FILES,
                "data_files_size_in_mb": DATA_MB,
                "video_files_size_in_mb": VIDEO_MB,
                "fps": int(self._fps) if self._fps.denominator == 1 else float(self._fps),
                "splits": {"train": f"0:{self.episodes}"},
                "data_path": DATA_PATH,
                "video_path": VIDEO_PATH if self._videos else None,
                "features": features,
            },
        )
        write_json(meta / "stats.json", joined(self._statistics))
        _write_tasks(meta / "tasks.parquet", self._task)
        told = [
            {f"stats/{name}/{kind}": value.tolist() for name, kinds in each.items() for kind, value in kinds.items()}
            for each in self._statistics
        ]
        path = self._root / EPISODES_PATH.format(chunk_index=0, file_index=0)
        path.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist([row | more for row, more in zip(self._rows, told, strict=True)]), path)


def export_lerobot(episodes: Iterable[Sequence[Step]], config: RunConfig, root: Path) -> Exported:
    """Write episodes of a run as a new dataset.

    Args:
        episodes: unbroken, of two steps at least.
        config: the run.
        root: the dataset's folder, which must not be there yet.

    Raises:
        ConfigError: if the folder is there already.
    """
    with LeRobotDataset(root, config) as dataset:
        for steps in episodes:
            dataset.add(steps)
    return Exported(dataset.episodes, dataset.frames, dataset.left_out)


class _DataFiles:
    """The parquet files of the frames."""

    def __init__(self, root: Path, schema: pa.Schema) -> None:
        self._root, self._schema = root, schema
        self._file = -1
        self._writer: pq.ParquetWriter | None = None
        self._size = 0

    def add(self, columns: Mapping[str, np.ndarray]) -> tuple[int, int]:
        """Write an episode; returns the numbers of the chunk and the file that it is in."""
        if self._writer is None or self._size >= DATA_MB * 1_000_000:
            self.close()
            self._file, self._size = self._file + 1, 0
            chunk, file = divmod(self._file, CHUNK_FILES)
            path = self._root / DATA_PATH.format(chunk_index=chunk, file_index=file)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(path, self._schema)
        table = pa.Table.from_arrays(
            [_array(columns[name], self._schema.field(name).type) for name in self._schema.names], schema=self._schema
        )
        self._writer.write_table(table)
        self._size += table.nbytes
        return divmod(self._file, CHUNK_FILES)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _features(observation: ObservationSpec, action: ActionSpec, cameras: Iterable[str]) -> dict[str, dict[str, Any]]:
    features: dict[str, dict[str, Any]] = {}
    if observation.element_names:
        features[STATE] = _vector(observation.element_names)
    features[ACTION] = _vector(action.names)
    for name in cameras:
        shape = list(observation.images[name].shape)
        features[IMAGES + name] = {"dtype": "video", "shape": shape, "names": ["height", "width", "channels"]}
    return features | {name: {"dtype": kind, "shape": [1], "names": None} for name, kind in _SCALARS.items()}


def _vector(names: Sequence[str]) -> dict[str, Any]:
    return {"dtype": "float32", "shape": [len(names)], "names": list(names)}


def _schema(features: Mapping[str, Mapping[str, Any]]) -> pa.Schema:
    kinds = {"float32": pa.float32(), "int64": pa.int64(), "bool": pa.bool_()}
    fields = []
    for name, feature in features.items():
        if feature["dtype"] == "video":
            continue
        kind = kinds[feature["dtype"]]
        # LeRobot reads what has one element as a number.
        size = feature["shape"][0]
        fields.append(pa.field(name, pa.list_(kind, size) if size > 1 else kind))
    return pa.schema(fields)


def _columns(steps: Sequence[Step], observation: ObservationSpec, fps: Fraction) -> dict[str, np.ndarray]:
    """What is written of an episode, by name: arrays of shape (frames,) or (frames, elements)."""
    seen, after = [step.observation for step in steps[:-1]], [step.observation for step in steps[1:]]
    acted = [step.action for step in steps[:-1]]
    frames = np.arange(len(seen))
    columns = {
        ACTION: np.stack([action.values for action in acted]).astype(np.float32),
        "next.reward": np.array([o.reward for o in after], np.float32),
        "next.done": np.array([o.is_last for o in after]),
        "next.success": np.array([o.success for o in after]),
        "source": np.array([int(action.source) for action in acted]),
        "policy_version": np.array([action.policy_version for action in acted]),
        "timestamp": (frames / float(fps)).astype(np.float32),
        "frame_index": frames,
    }
    if names := observation.element_names:
        columns[STATE] = np.array([[o.values[name] for name in names] for o in seen], np.float32)
    return columns


def _array(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    if isinstance(kind, pa.FixedSizeListType):
        return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1), kind.value_type), kind.list_size)
    return pa.array(values.reshape(-1), kind)


def _placed(what: str, chunk: int, file: int) -> dict[str, int]:
    return {f"{what}/chunk_index": chunk, f"{what}/file_index": file}


def _write_tasks(path: Path, task: str) -> None:
    """The tasks' texts, as an index for pandas, which reads them."""
    columns = [
        {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64"},
        {"name": "task", "field_name": "task", "pandas_type": "unicode", "numpy_type": "object"},
    ]
    told = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [column | {"metadata": None} for column in columns],
    }
    table = pa.table({"task_index": pa.array([0], pa.int64()), "task": pa.array([task], pa.string())})
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(told)}), path)
