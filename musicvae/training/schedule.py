"""Floor 7: how long a run is. Steps, or minutes turned into steps as the pace becomes known."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

_PRIOR_SHARE = 0.1
CHECKS = 20  # validations in a run


@dataclass
class Plan:
    """The length of a run in steps, and where the run stands.

    With a budget of minutes the number of steps is estimated from the measured pace and mended at
    each validation; with a number of steps it is fixed and the run is the same on every machine.
    """

    total_steps: int
    budget_s: float | None = None
    step: int = 0
    spent_s: float = 0.0
    """Time used by the sessions before this one."""
    prior_s: float | None = None
    """Most time that fitting the prior may take after the last step."""
    started: float = field(default_factory=time.monotonic)
    next_check: int = 0

    def begin(
        self, pace_s: float, *, minutes: float, steps: int | None, prior_minutes: float = 0.0
    ) -> None:
        """Plan a new run: `steps`, or as many as fit into `minutes` at `pace_s` a step.

        Of the minutes a tenth, but no more than `prior_minutes`, is kept for the prior.
        """
        if steps is None:
            self.prior_s = 60 * min(_PRIOR_SHARE * minutes, prior_minutes)
            self.budget_s = 60 * minutes - self.prior_s
            self.total_steps = max(1, int(self.budget_s / pace_s))
        else:
            self.total_steps = steps
        self.next_check = self._next_check()

    def take_up(self, saved: dict[str, Any], *, minutes: float | None, steps: int | None) -> None:
        """Go on with a plan that `saved` gave, perhaps for longer than it said."""
        self.step, self.total_steps = saved["step"], saved["total_steps"]
        self.budget_s, self.spent_s = saved["budget_s"], saved["spent_s"]
        self.next_check, self.prior_s = saved["next_check"], saved["prior_s"]
        if steps is not None:
            self.total_steps, self.budget_s, self.prior_s = max(steps, self.step), None, None
            self.next_check = self._next_check()
        elif minutes is not None:
            pace = self.spent_s / max(self.step, 1)
            self.budget_s = self.spent_s + 60 * minutes
            self.total_steps = self.step + max(1, int(60 * minutes / max(pace, 1e-6)))
            self.next_check = self._next_check()

    def saved(self) -> dict[str, Any]:
        """What `take_up` needs."""
        return {
            "step": self.step,
            "total_steps": self.total_steps,
            "budget_s": self.budget_s,
            "spent_s": self.elapsed_s,
            "prior_s": self.prior_s,
            "next_check": self.next_check,
        }

    @property
    def elapsed_s(self) -> float:
        """Seconds of training, those before a resume included."""
        return self.spent_s + time.monotonic() - self.started

    @property
    def share(self) -> float:
        """Share of the run that is done, 0..1."""
        return min(1.0, self.step / max(self.total_steps, 1))

    @property
    def done(self) -> bool:
        """Whether no step is left."""
        return self.step >= self.total_steps

    @property
    def left_s(self) -> float:
        """Expected seconds to the end."""
        pace = self.elapsed_s / max(self.step, 1)
        return max(0.0, (self.total_steps - self.step) * pace)

    @property
    def check_due(self) -> bool:
        """Whether it is time to validate and save."""
        return self.step >= self.next_check or self.done

    def checked(self) -> None:
        """Set the time of the next validation; mend the number of steps if minutes were given."""
        if self.budget_s is not None and not self.done:
            pace = self.elapsed_s / max(self.step, 1)
            left = max(0.0, self.budget_s - self.elapsed_s)
            self.total_steps = self.step + max(1, int(left / pace))
        self.next_check = self._next_check()

    def _next_check(self) -> int:
        every = max(1, math.ceil(self.total_steps / CHECKS))
        if self.budget_s is not None and self.step:
            # An estimate of the pace may be far too low at first: let time pass between checks.
            pace = self.elapsed_s / self.step
            every = max(every, math.ceil(self.budget_s / CHECKS / pace))
        return (self.step // every + 1) * every

    def learning_rate(self, peak: float, warmup_steps: int) -> float:
        """Linear warm-up, then a cosine that reaches zero with the last step."""
        warm = min(1.0, (self.step + 1) / max(warmup_steps, 1))
        return peak * warm * 0.5 * (1 + math.cos(math.pi * self.share))
