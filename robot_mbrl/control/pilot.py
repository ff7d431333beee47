"""Who is at the controls, and when: joins each observation with the action applied before it and asks the policy."""

from robot_mbrl.config import RunConfig
from robot_mbrl.control.bundle_file import Bundle
from robot_mbrl.control.policy_runner import PolicyRunner
from robot_mbrl.control.start_policies import Policy
from robot_mbrl.steps import Action, Observation, StepKey

GAP_PERIODS = 1.5
"""Observations further apart than this many steps have a missing one between them."""


class Pilot:
    """Feeds the policy with (o_k, a_{k-1}): a_{k-1} is what the guard applied, never the policy's own wish.

    Call `observed` and `applied` as messages arrive, then `wish`; again when `deadline_s` has passed.

    Attributes:
        wishes: steps that the policy was asked about.
        cuts: steps, other than the first of an episode, at which its state had to start afresh because an
            observation was missed or the applied action was not known in time.
        deadline_s: until when the observation at hand waits for the applied action; None when none waits.
    """

    def __init__(self, config: RunConfig, policy: Policy, *, grace_s: float) -> None:
        """Put a policy at the controls.

        Args:
            config: the run, for the duration of a step and the seed.
            policy: what drives until a bundle is taken over.
            grace_s: how long an observation waits for the action applied before it.
        """
        self.wishes = 0
        self.cuts = 0
        self.deadline_s: float | None = None
        self._seed = config.seed
        self._longest_ns = round(GAP_PERIODS * config.step_s * 1e9)
        self._policy = policy
        self._grace_s = grace_s
        self._waiting: Observation | None = None
        self._acted: Observation | None = None  # What the policy was last asked about: its state is of that step.
        self._expected: StepKey | None = None  # Key of the applied action that the waiting observation follows.
        self._applied: Action | None = None

    @property
    def bundle(self) -> Bundle | None:
        """The bundle at the controls; None while something else is."""
        return self._policy.bundle if isinstance(self._policy, PolicyRunner) else None

    def take_over(self, bundle: Bundle) -> bool:
        """Put a bundle at the controls, between two steps; returns whether the state was carried over."""
        if isinstance(self._policy, PolicyRunner):
            return self._policy.swap(bundle)
        self._policy = PolicyRunner(bundle, self._seed)
        return False

    def observed(self, observation: Observation, now_s: float) -> None:
        """Take in the observation of a new step; `now_s` is steady time."""
        self._expected = self._acted.key if self._acted is not None and self._follows(observation) else None
        self._waiting = None if observation.is_last else observation
        self.deadline_s = None if observation.is_last else now_s + self._grace_s

    def applied(self, action: Action) -> None:
        """Take in the action that the guard let enter shaping."""
        self._applied = action

    def wish(self, now_s: float) -> Action | None:
        """The wish for the newest observation, once; None while there is nothing to wish or to wait for.

        Raises:
            MessageError, NonFiniteWishError, BundleError: see `PolicyRunner.act`; the step is not tried again.
        """
        observation = self._waiting
        if observation is None or self.deadline_s is None:
            return None
        prev_action = None
        if self._expected is not None:
            if self._applied is not None and self._applied.key == self._expected:
                prev_action = self._applied.values
            elif now_s < self.deadline_s:
                return None
        self._waiting, self.deadline_s = None, None
        self._acted = observation
        self.wishes += 1
        self.cuts += prev_action is None and not observation.is_first
        return self._policy.act(observation, prev_action)

    def _follows(self, observation: Observation) -> bool:
        """Whether this observation comes right after the one last acted on, in the same episode."""
        before = self._acted
        if before is None or observation.is_first or before.key.session != observation.key.session:
            return False
        return 0 < observation.key.stamp_ns - before.key.stamp_ns <= self._longest_ns
