"""Length of a training run: steps, or minutes converted to steps at the measured pace."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

MAX_PRIOR_SHARE = 0.1  # of a budget of minutes, at most this share is for fitting the prior
N_VALIDATIONS = 20  # validations per run


@dataclass
class Schedule:
    """Length of a run in steps, its current step, and when to validate.

    With a budget of minutes the number of steps is estimated from the measured pace and corrected
    at each validation; with a number of steps it is fixed, and the run is the same on every
    machine.
    """

    total_steps: int
    budget_s: float | None = None
    """Time for all sessions of the run; None if the number of steps is fixed."""
    step: int = 0
    spent_s: float = 0.0
    """Time used by earlier sessions of a resumed run."""
    prior_s: float | None = None
    """Maximum time for fitting the prior after the last step; None for no limit."""
    started: float = field(default_factory=time.monotonic)
    next_validation: int = 0

    def begin(
        self, pace_s: float, *, minutes: float, steps: int | None, prior_minutes: float = 0.0
    ) -> None:
        """Set the length of a new run: `steps`, or as many as fit into `minutes`.

        Args:
            pace_s: seconds per step.
            minutes: budget if `steps` is None; a tenth of it, but at most `prior_minutes`, is
                reserved for the prior.
            steps: fixed number of steps.
            prior_minutes: maximum time for the prior.
        """
        if steps is None:
            self.prior_s = 60 * min(MAX_PRIOR_SHARE * minutes, prior_minutes)
            self.budget_s = 60 * minutes - self.prior_s
            self.total_steps = max(1, int(self.budget_s / pace_s))
        else:
            self.total_steps = steps
        self.next_validation = self._next_validation()

    def resume(self, saved: dict[str, Any], *, minutes: float | None, steps: int | None) -> None:
        """Continue a schedule that `to_dict` saved.

        `steps` is a new total, `minutes` are added to the time spent; with neither the schedule
        goes on as planned.
        """
        self.step, self.total_steps = saved["step"], saved["total_steps"]
        self.budget_s, self.spent_s = saved["budget_s"], saved["spent_s"]
        self.next_validation, self.prior_s = saved["next_check"], saved["prior_s"]
        if steps is not None:
            self.total_steps, self.budget_s, self.prior_s = max(steps, self.step), None, None
            self.next_validation = self._next_validation()
        elif minutes is not None:
            pace_s = self.spent_s / max(self.step, 1)
            self.budget_s = self.spent_s + 60 * minutes
            self.total_steps = self.step + max(1, int(60 * minutes / max(pace_s, 1e-6)))
            self.next_validation = self._next_validation()

    def to_dict(self) -> dict[str, Any]:
        """Return what `resume` needs, as plain JSON."""
        return {
            "step": self.step,
            "total_steps": self.total_steps,
            "budget_s": self.budget_s,
            "spent_s": self.elapsed_s,
            "prior_s": self.prior_s,
            "next_check": self.next_validation,
        }

    @property
    def elapsed_s(self) -> float:
        """Seconds of training, including earlier sessions."""
        return self.spent_s + time.monotonic() - self.started

    @property
    def progress(self) -> float:
        """Share of the steps that are done, 0 to 1."""
        return min(1.0, self.step / max(self.total_steps, 1))

    @property
    def done(self) -> bool:
        """Whether no step is left."""
        return self.step >= self.total_steps

    @property
    def remaining_s(self) -> float:
        """Expected seconds to the end."""
        pace_s = self.elapsed_s / max(self.step, 1)
        return max(0.0, (self.total_steps - self.step) * pace_s)

    @property
    def validation_due(self) -> bool:
        """Whether it is time to validate and save."""
        return self.step >= self.next_validation or self.done

    def record_validation(self) -> None:
        """Set the step of the next validation; with a budget, correct the number of steps."""
        if self.budget_s is not None and not self.done:
            pace_s = self.elapsed_s / max(self.step, 1)
            left_s = max(0.0, self.budget_s - self.elapsed_s)
            self.total_steps = self.step + max(1, int(left_s / pace_s))
        self.next_validation = self._next_validation()

    def _next_validation(self) -> int:
        interval = max(1, math.ceil(self.total_steps / N_VALIDATIONS))
        if self.budget_s is not None and self.step:
            # The first estimate of the pace may be far too low: do not validate too often.
            pace_s = self.elapsed_s / self.step
            interval = max(interval, math.ceil(self.budget_s / N_VALIDATIONS / pace_s))
        return (self.step // interval + 1) * interval

    def learning_rate(self, peak: float, warmup_steps: int) -> float:
        """Return the learning rate: linear warm-up, then a cosine to zero at the last step."""
        warmup = min(1.0, (self.step + 1) / max(warmup_steps, 1))
        return peak * warmup * 0.5 * (1 + math.cos(math.pi * self.progress))
