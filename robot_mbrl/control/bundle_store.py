"""The robot's own memory of its policy: verified bundles on disk that survive a reboot and a loss of power.

A file is named `<serial>-<sha256>.onnx`: the serial tells their order, the hash whether the file is still what was
written. There is no index that could contradict the files.
"""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from robot_mbrl.bundles import BundleMetadata, StoredBundle
from robot_mbrl.config import RunConfig
from robot_mbrl.control.bundle_file import Bundle, check_bundle
from robot_mbrl.durable import PARTIAL_SUFFIX, written_durably
from robot_mbrl.errors import BundleError

_FILE = re.compile(r"(\d{6,})-([0-9a-f]{64})\.onnx")


class BundleStore:
    """Keeps the last few verified bundles of one learning run."""

    def __init__(
        self, folder: Path, config: RunConfig, *, keep: int = 3, report: Callable[[str], object] = lambda _: None
    ) -> None:
        """Open the folder, made if missing, and find the newest sound bundle in it.

        Args:
            folder: where the bundles lie.
            config: the run they must fit.
            keep: how many to keep.
            report: told of each file that is found damaged or does not fit.

        Raises:
            BundleError: if the folder cannot be used.
        """
        self._folder, self._config, self._keep, self._report = folder, config, keep, report
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for partial in folder.glob(f"*{PARTIAL_SUFFIX}"):
                partial.unlink()
        except OSError as error:
            raise BundleError(
                f"{folder}: bundles cannot be kept there ({error.strerror}); name another folder"
            ) from error
        self._current = self._newest_sound()

    def current(self) -> StoredBundle | None:
        """The newest sound bundle; None where there is none yet."""
        return self._current

    def accept(self, data: bytes, *, new_run: bool = False) -> StoredBundle:
        """Verify a bundle and store it durably as the current one.

        Args:
            data: content of the ONNX file, as received.
            new_run: whether a bundle of another run than the current one's is welcome.

        Returns:
            What is current now. A bundle that already is, is not stored again.

        Raises:
            BundleError: if it is damaged, does not fit or misbehaves, belongs to another run, is not newer than the
                current one, or the disk refuses it. What was current stays so.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        if self._current is not None and self._current.sha256 == sha256:
            return self._current
        bundle = check_bundle(Bundle(data, "received bundle"), self._config)
        self._check_succession(bundle.metadata, new_run=new_run)
        serial = max((int(match[1]) for match, _ in self._files()), default=0) + 1
        path = self._folder / f"{serial:06d}-{sha256}.onnx"
        try:
            with written_durably(path) as file:
                file.write(data)
        except OSError as error:
            raise BundleError(f"{path}: cannot be written ({error.strerror}); free some space there") from error
        self._current = _stored(path, bundle)
        for _, old in self._files()[self._keep :]:
            old.unlink(missing_ok=True)
        return self._current

    def _check_succession(self, metadata: BundleMetadata, *, new_run: bool) -> None:
        current = self._current
        if current is None:
            return
        name = f"version {metadata.version} of run {metadata.run_id}"
        if metadata.run_id != current.run_id:
            if not new_run:
                raise BundleError(
                    f"{name}: this robot follows run {current.run_id}; set accept_new_run, or stop the second learner"
                )
        elif metadata.version <= current.version:
            raise BundleError(
                f"{name}: not newer than version {current.version} in use; a resumed learner catches up by itself, "
                f"to go back empty {self._folder}"
            )

    def _files(self) -> list[tuple[re.Match[str], Path]]:
        """Stored files, newest first."""
        matches = [(match, path) for path in self._folder.iterdir() if (match := _FILE.fullmatch(path.name))]
        return sorted(matches, key=lambda pair: int(pair[0][1]), reverse=True)

    def _newest_sound(self) -> StoredBundle | None:
        for match, path in self._files():
            try:
                data = path.read_bytes()
                if hashlib.sha256(data).hexdigest() != match[2]:
                    raise BundleError(f"{path}: damaged on disk (its hash differs); an older one is used")
                return _stored(path, check_bundle(Bundle(data, str(path)), self._config))
            except (BundleError, OSError) as error:
                self._report(str(error))
        return None


def _stored(path: Path, bundle: Bundle) -> StoredBundle:
    metadata = bundle.metadata
    return StoredBundle(
        path=str(path.absolute()), sha256=bundle.sha256, run_id=metadata.run_id, version=metadata.version
    )
