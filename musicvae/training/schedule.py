"""Length of a training run: a number of steps, or a time by the clock."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

MAX_PRIOR_SHARE = 0.1  # of a budget of minutes, at most this share is planned for the prior
MIN_TRAINING_SHARE = 0.4  # of a session's time, at least this is for steps and validations
N_VALIDATIONS = 20  # validations per run
MAX_VALIDATION_SHARE = 0.15  # of the time, with a budget of minutes
PACE_DECAY = 0.9  # of the running mean of the seconds per step


@dataclass
class Schedule:
    """Length of a run, its current step, and when to validate.

    With a number of steps the run is the same on every machine. With a budget of minutes the clock
    decides: the run ends when the time is over, however many steps that makes, and the learning
    rate follows the share of the time. The budget covers everything from the beginning of the call:
    reading songs, steps, validations and what follows the last step (`reserve_s`), which is
    estimated anew at each validation.
    """

    total_steps: int
    """Length in steps; with a budget of minutes an estimate until the last step."""
    budget_s: float | None = None
    """Time for all sessions of the run; None if the number of steps is fixed."""
    step: int = 0
    spent_s: float = 0.0
    """Time used by earlier sessions of a resumed run."""
    started: float = field(default_factory=time.monotonic)
    """When the session began, by `time.monotonic`."""
    next_validation: int = 0
    """The step of the next validation, if the number of steps is fixed."""
    reserve_s: float = 0.0
    """Time kept for what follows the last step: validation, prior, directions, report."""
    clock_share: float = 0.0
    """With a budget, the share of the time for training that is over, 0 to 1."""
    next_validation_share: float = 0.0
    pace_s: float = 0.0
    """Seconds per step, a running mean."""
    _first_s: float = 0.0  # when the steps of this session began, in seconds of the run
    _first_share: float = 0.0  # clock_share at that time
    _step_began: float = 0.0

    def begin(self, *, minutes: float, steps: int | None) -> None:
        """Set the length of a new run: `steps`, or by the clock `minutes` if that is None."""
        if steps is None:
            self.budget_s = 60 * minutes
        else:
            self.total_steps = steps

    def resume(self, saved: dict[str, Any], *, minutes: float | None, steps: int | None) -> None:
        """Continue a schedule that `to_dict` saved.

        `steps` is a new total, `minutes` are added to the time spent; with neither the schedule
        goes on as planned.
        """
        self.step, self.total_steps = saved["step"], saved["total_steps"]
        self.budget_s, self.spent_s = saved["budget_s"], saved["spent_s"]
        self.next_validation = saved["next_check"]
        self.clock_share = saved.get("clock_share", self.step / max(self.total_steps, 1))
        if steps is not None:
            self.total_steps, self.budget_s = max(steps, self.step), None
        elif minutes is not None:
            self.budget_s = self.spent_s + 60 * minutes
            self.clock_share = self.spent_s / self.budget_s

    def start_steps(self, pace_s: float, validation_s: float, reserve_s: float) -> None:
        """Begin the steps of this session.

        Args:
            pace_s: estimate of the seconds of a step.
            validation_s: estimate of the seconds of a validation.
            reserve_s: estimate of the time that is needed after the last step.
        """
        self.pace_s, self.reserve_s = pace_s, reserve_s
        self._first_s, self._first_share = self.elapsed_s, self.clock_share
        self._step_began = time.monotonic()
        self._plan(validation_s)

    def to_dict(self) -> dict[str, Any]:
        """Return what `resume` needs, as plain JSON."""
        return {
            "step": self.step,
            "total_steps": self.total_steps,
            "budget_s": self.budget_s,
            "spent_s": self.elapsed_s,
            "next_check": self.next_validation,
            "clock_share": self.clock_share,
        }

    @property
    def plan(self) -> tuple[int, int, float, float]:
        """What all processes of a distributed run must agree on."""
        return (
            self.total_steps,
            self.next_validation,
            self.clock_share,
            self.next_validation_share,
        )

    @plan.setter
    def plan(self, plan: tuple[int, int, float, float]) -> None:
        self.total_steps, self.next_validation = plan[:2]
        self.clock_share, self.next_validation_share = plan[2:]

    @property
    def elapsed_s(self) -> float:
        """Seconds of the run, including earlier sessions."""
        return self.spent_s + time.monotonic() - self.started

    @property
    def training_end_s(self) -> float:
        """When the last step should be over, in seconds of the run; infinite for fixed steps.

        Where reading took most of the time, or what follows will, steps get their least share all
        the same, and the run takes longer than its budget.
        """
        if self.budget_s is None:
            return math.inf
        least_s = MIN_TRAINING_SHARE * (self.budget_s - self.spent_s)
        return max(self.budget_s - self.reserve_s, self._first_s + least_s)

    @property
    def overrun_s(self) -> float:
        """By how much the run will exceed its budget because steps get their least share."""
        if self.budget_s is None:
            return 0.0
        return max(0.0, self.training_end_s + self.reserve_s - self.budget_s)

    @property
    def progress(self) -> float:
        """Share of the steps, or of their time, that is over, 0 to 1."""
        if self.budget_s is not None:
            return self.clock_share
        return min(1.0, self.step / max(self.total_steps, 1))

    @property
    def done(self) -> bool:
        """Whether no step is left."""
        return self.progress >= 1

    @property
    def remaining_s(self) -> float:
        """Expected seconds to the end of the run, or with fixed steps of the steps."""
        if self.budget_s is not None:
            return max(0.0, self.budget_s + self.overrun_s - self.elapsed_s)
        return max(0.0, (self.total_steps - self.step) * self.pace_s)

    @property
    def validation_due(self) -> bool:
        """Whether it is time to validate and save."""
        if self.done:
            return True
        if self.budget_s is not None:
            return self.clock_share >= self.next_validation_share
        return self.step >= self.next_validation

    def count_step(self) -> None:
        """Count a step, and look at the clock."""
        now = time.monotonic()
        self.step += 1
        self.pace_s = PACE_DECAY * self.pace_s + (1 - PACE_DECAY) * (now - self._step_began)
        self._step_began = now
        if self.budget_s is not None:
            self.clock_share = max(self.clock_share, self._share_now())
            if self.done:
                self.total_steps = self.step

    def record_validation(self, seconds: float, reserve_s: float) -> None:
        """Plan again after a validation that took `seconds`, and set when the next one is due.

        `reserve_s` is the new estimate of the time that is needed after the last step.
        """
        self.reserve_s = reserve_s
        self._step_began = time.monotonic()
        self._plan(seconds)

    def _plan(self, validation_s: float) -> None:
        """Set the next validation and, with a budget, the expected number of steps."""
        if self.budget_s is None:
            interval = max(1, math.ceil(self.total_steps / N_VALIDATIONS))
            self.next_validation = (self.step // interval + 1) * interval
            return
        time_s = max(self.training_end_s - self._first_s, 1e-6)
        interval_s = max(time_s / N_VALIDATIONS, validation_s / MAX_VALIDATION_SHARE)
        left_share = interval_s / time_s * (1 - self._first_share)
        share = self.clock_share + left_share
        # The last validation follows the last step; shortly before it there need be none.
        self.next_validation_share = share if share < 1 - left_share / 2 else math.inf
        left_s = max(0.0, self.training_end_s - self.elapsed_s)
        stepping = interval_s / (interval_s + validation_s)
        if not self.done:
            self.total_steps = self.step + max(1, int(left_s * stepping / max(self.pace_s, 1e-6)))

    def _share_now(self) -> float:
        """Return the share of the training time that is over, 1 if no further step fits in it."""
        left_s = self.training_end_s - self.elapsed_s
        if left_s < self.pace_s / 2:
            return 1.0
        time_s = max(self.training_end_s - self._first_s, 1e-6)
        return 1 - (1 - self._first_share) * left_s / time_s

    def learning_rate(self, peak: float, warmup_steps: int) -> float:
        """Return the learning rate: linear warm-up, then a cosine to zero at the last step."""
        warmup = min(1.0, (self.step + 1) / max(warmup_steps, 1))
        return peak * warmup * 0.5 * (1 + math.cos(math.pi * self.progress))
