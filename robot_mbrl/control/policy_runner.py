"""Runs the active policy: joins each observation with the action applied before it and asks for the next action."""

from collections import deque

from robot_mbrl.config import RunConfig
from robot_mbrl.control.bundle_file import Bundle
from robot_mbrl.control.bundle_policy import BundlePolicy
from robot_mbrl.control.start_policies import Policy
from robot_mbrl.steps import GAP_PERIODS, Action, Observation

BACKLOG = 20
"""Observations that may wait to be answered: as many as the topic's queue keeps for a node held up."""


class PolicyRunner:
    """Feeds the policy with (o_k, a_{k-1}): a_{k-1} is what the guard applied, never what the policy requested.

    Observations are answered in order, each one once. Those that wait behind another, after the process was held up,
    are too: the actions come too late for the robot, but the policy's state remembers those steps.

    Call `observed` and `applied` as messages arrive, then `requested_action` while `is_due`; again when `deadline_s`
    has passed.

    Attributes:
        requests: steps that the policy was asked about.
        cuts: steps, other than the first of an episode, at which its state had to start afresh because an
            observation was missed or the applied action was not known in time.
    """

    def __init__(self, config: RunConfig, policy: Policy, *, grace_s: float) -> None:
        """Begin with a policy.

        Args:
            config: the run, for the duration of a step and the seed.
            policy: what drives until a bundle is taken over.
            grace_s: how long an observation waits for the action applied before it.
        """
        self.requests = 0
        self.cuts = 0
        self._seed = config.seed
        self._longest_ns = round(GAP_PERIODS * config.step_s * 1e9)
        self._policy = policy
        self._grace_s = grace_s
        self._waiting: deque[tuple[Observation, float]] = deque(maxlen=BACKLOG)  # Each with its deadline.
        self._applied: deque[Action] = deque(maxlen=BACKLOG)
        self._acted: Observation | None = None  # What the policy was last asked about: its state is of that step.

    @property
    def deadline_s(self) -> float | None:
        """Until when the oldest waiting observation waits for the applied action; None when none waits."""
        return self._waiting[0][1] if self._waiting else None

    @property
    def bundle(self) -> Bundle | None:
        """The bundle that is the active policy; None while something else is."""
        return self._policy.bundle if isinstance(self._policy, BundlePolicy) else None

    @property
    def undecided(self) -> int:
        """Steps for which bundles requested no action: the guard holds, as it does where one is late."""
        return self._policy.undecided if isinstance(self._policy, BundlePolicy) else 0

    def take_over(self, bundle: Bundle) -> bool:
        """Make a bundle the active policy, between two steps; returns whether the state was carried over."""
        if isinstance(self._policy, BundlePolicy):
            return self._policy.swap(bundle)
        self._policy = BundlePolicy(bundle, self._seed)
        return False

    def observed(self, observation: Observation, now_s: float) -> None:
        """Take in the observation of a new step; `now_s` is steady time."""
        if observation.is_last:
            self._waiting.clear()
        else:
            self._waiting.append((observation, now_s + self._grace_s))

    def applied(self, action: Action) -> None:
        """Take in the action that the guard let enter shaping."""
        self._applied.append(action)

    def is_due(self, now_s: float) -> bool:
        """Whether there is an observation to answer, and nothing to wait for."""
        if not self._waiting:
            return False
        observation, deadline_s = self._waiting[0]
        return now_s >= deadline_s or not self._follows(observation) or self._applied_before() is not None

    def requested_action(self, now_s: float) -> Action | None:
        """The action for the oldest observation not yet answered; None if none `is_due`, or the policy requests none.

        Raises:
            MessageError, NonFiniteActionError, BundleError: see `BundlePolicy.act`; the step is not tried again.
        """
        if not self.is_due(now_s):
            return None
        observation, _ = self._waiting.popleft()
        prev_action = self._applied_before() if self._follows(observation) else None
        self._acted = observation
        self.requests += 1
        self.cuts += prev_action is None and not observation.is_first
        return self._policy.act(observation, None if prev_action is None else prev_action.values)

    def _applied_before(self) -> Action | None:
        """The action applied at the step last acted on, if it is known."""
        key = None if self._acted is None else self._acted.key
        return next((action for action in self._applied if action.key == key), None)

    def _follows(self, observation: Observation) -> bool:
        """Whether this observation comes right after the one last acted on, in the same episode."""
        before = self._acted
        if before is None or observation.is_first or before.key.session != observation.key.session:
            return False
        return 0 < observation.key.stamp_ns - before.key.stamp_ns <= self._longest_ns
