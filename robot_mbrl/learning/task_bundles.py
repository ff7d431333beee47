"""The bundles of single tasks, where one model learns several: robots take them as they take any other."""

from robot_mbrl.agents.task_policy import TaskPolicy
from robot_mbrl.durable import written_durably
from robot_mbrl.errors import BundleError
from robot_mbrl.learning.exporter import PolicyExporter
from robot_mbrl.learning.learner import Learner
from robot_mbrl.runs.folder import RunFolder


class TaskBundles:
    """Exports what a learner of several tasks knows of each."""

    def __init__(self, learner: Learner, folder: RunFolder) -> None:
        """Prepare nothing yet: graphs are traced at the first export, which takes seconds for each task.

        Args:
            learner: of several tasks.
            folder: that of the run; each task has its own in it, and in that the bundle.
        """
        self._learner, self._folder = learner, folder
        policy, run = learner.agent.policy, learner.config
        self._exporters = {
            member.task.name: PolicyExporter(TaskPolicy(policy, run, member.task.name), member, learner.run_id)
            for member in run.members
        }

    def export(self) -> None:
        """Write the bundle of each task, with the present weights and the version of the newest whole one.

        Raises:
            BundleError: if learning has broken down, or a bundle cannot be written.
            ConfigError: if a task's folder cannot be made.
        """
        learner = self._learner
        for member in learner.config.members:
            folder = self._folder.member(member.task.name)
            if not folder.config.exists():
                folder = RunFolder.create(member, folder.path)
            data = self._exporters[member.task.name].export(max(1, learner.policy_version), learner.updates)
            try:
                with written_durably(folder.policy) as file:
                    file.write(data)
            except OSError as error:
                raise BundleError(f"{folder.policy}: cannot be written ({error.strerror}); make room there") from error
