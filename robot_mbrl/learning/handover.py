"""Handing policies over beside a living robot: exported on a period, numbered, and written to the run's folder."""

from pathlib import Path

from robot_mbrl.control.bundle_file import read_bundle
from robot_mbrl.durable import written_durably
from robot_mbrl.errors import BundleError
from robot_mbrl.learning.checkpointing import break_down
from robot_mbrl.learning.faults import Faults
from robot_mbrl.learning.learner import Learner

_KIND = "policy"


class Handover:
    """Exports a learner's policy now and then, if there is anything new."""

    def __init__(self, learner: Learner, path: Path, faults: Faults, now_s: float) -> None:
        """The first is due at once.

        Args:
            learner: whose policy it is. Its versions go on after the one in the file, which its checkpoint may not
                know: robots take newer ones only.
            path: the file that always holds the newest bundle.
            faults: told what cannot be exported or written.
            now_s: the time.
        """
        self._learner = learner
        self._path = path
        self._faults = faults
        self._period_s = learner.config.agent.export_period_s
        self._due_s = now_s
        self._exported_updates = -1
        self._skip_versions()

    def is_due(self, now_s: float) -> bool:
        """Whether it is time, and the policy is worth it and another one than before."""
        news = self._learner.updates not in (0, self._exported_updates)
        return now_s >= self._due_s and news and self._learner.agent.ready

    def postpone(self, now_s: float) -> None:
        """Try again after a period."""
        self._due_s = now_s + self._period_s

    def export(self) -> bytes | None:
        """The newest policy as a bundle, written to the file as well; None if learning has broken down."""
        self._exported_updates = self._learner.updates
        try:
            bundle = self._learner.export()
        except BundleError as error:
            break_down(self._faults, str(error))
            return None
        try:
            with written_durably(self._path) as file:
                file.write(bundle)
        except OSError as error:
            self._faults.note(_KIND, f"{self._path}: cannot be written ({error.strerror}); make room there")
        else:
            self._faults.mend(_KIND)
        return bundle

    def _skip_versions(self) -> None:
        try:
            metadata = read_bundle(self._path).metadata
        except BundleError:
            return
        if metadata.run_id == self._learner.run_id:
            self._learner.policy_version = max(self._learner.policy_version, metadata.version)
