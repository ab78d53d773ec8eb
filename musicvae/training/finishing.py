"""What follows the last step of a run: directions, reference statistics and a prior, in time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from musicvae.checkpoints import Checkpoint, first_not_finite, load, save
from musicvae.data import WindowDataset
from musicvae.latent.surprisal import DEFAULT_CORRUPTION, fit_reference_stats
from musicvae.networks.priors import prior_tensors
from musicvae.networks.vae import VAE
from musicvae.networks.weights import load_vae
from musicvae.training.distributed import trim_memory
from musicvae.training.fit_directions import (
    MAX_STEPS,
    MAX_WINDOWS,
    direction_tensors,
    fit_directions,
)
from musicvae.training.fit_prior import INTERIM_WINDOWS, fit_prior
from musicvae.training.schedule import MAX_PRIOR_SHARE, Schedule

MAX_DIRECTIONS_SHARE = 0.1  # of a budget of minutes
N_EXAMPLES = 2.5  # encodings that an example of the directions costs: twice, and its attributes
MIN_PRIOR_SHARE = 0.5  # of the planned time: the prior gets it even if the run is late
NETWORK_S = 5e-3  # seconds of a step of the network of directions on an idle machine
MAX_SLOWDOWN = 10.0  # by other processes, as far as it is planned for


class Finishing:
    """Completion of the best model of a run, within the time that is left of its budget.

    Args:
        windows: the training windows.
        held_out: the windows of validation.
        pace_s: seconds of a training step.
        device: `cpu` or another device that the network computes on.
        on_warning: called with warnings, one sentence each.
        origin: the checkpoint that the run started from.
        after_s: time that the caller needs when the run has ended, such as for a report, on an
            idle machine.
    """

    def __init__(
        self,
        windows: WindowDataset,
        held_out: WindowDataset,
        pace_s: float,
        device: str,
        *,
        on_warning: Callable[[str], None],
        origin: Checkpoint | None = None,
        after_s: float = 0.0,
    ) -> None:
        self.on_warning = on_warning
        self.windows, self.held_out = windows, held_out
        self.origin, self.after_s = origin, after_s
        training = windows.preset.training
        self.encoding_s = pace_s / (training.batch * training.accumulate)  # of one window
        self.validation_s = 6 * pace_s
        self._n_threads = torch.get_num_threads() if device == "cpu" else 1
        self._began = time.monotonic(), time.process_time()

    @contextmanager
    def timed_encoding(self) -> Iterator[None]:
        """Measure the time of encoding a window while an interim prior is fitted."""
        began = time.monotonic()
        yield
        self.encoding_s = (time.monotonic() - began) / min(INTERIM_WINDOWS, len(self.windows))

    def reserve_s(self, budget_s: float | None) -> float:
        """Return the expected seconds from the last step to the end of the run."""
        if budget_s is None:
            return 0.0
        directions_s, _, _ = self._directions_plan(budget_s)
        return self.validation_s + self._prior_s(budget_s) + directions_s + self._after_s()

    @property
    def _slowdown(self) -> float:
        """How much longer work takes than on an idle machine, since other processes compute too."""
        wall_s, used_s = time.monotonic() - self._began[0], time.process_time() - self._began[1]
        return min(max(wall_s * self._n_threads / max(used_s, 1e-3), 1.0), MAX_SLOWDOWN)

    def _after_s(self) -> float:
        """Return the seconds for the caller."""
        return self.after_s * self._slowdown

    def _prior_s(self, budget_s: float) -> float:
        """Return the seconds planned for the prior."""
        prior = self.windows.preset.prior
        if prior.kind == "none":
            return 0.0
        most_s = MAX_PRIOR_SHARE * budget_s
        if prior.kind == "flow":
            return min(most_s, 60 * prior.minutes)
        return min(most_s, self.encoding_s * len(self.windows))

    def _directions_plan(self, budget_s: float) -> tuple[float, int, int]:
        """Return the seconds planned for directions, and how many windows and steps that allows."""
        n, steps = min(MAX_WINDOWS, len(self.windows)), MAX_STEPS
        if math.isinf(budget_s):
            return math.inf, n, steps
        limit_s, step_s = MAX_DIRECTIONS_SHARE * budget_s / 2, NETWORK_S * self._slowdown
        window_s = N_EXAMPLES * self.encoding_s
        n, steps = max(64, min(n, int(limit_s / window_s))), min(steps, int(limit_s / step_s))
        return n * window_s + steps * step_s, n, steps

    def finish(self, path: Path, schedule: Schedule) -> None:
        """Complete the model at `path` by a prior of all songs, directions and statistics."""
        kept = load(path)
        vae = load_vae(kept.preset, kept.tensors_under("model"))
        trim_memory()
        budget_s = math.inf if schedule.budget_s is None else schedule.budget_s
        _, n_windows, steps = self._directions_plan(budget_s)
        steps = min(steps, schedule.step)
        directions = fit_directions(vae, self.windows, steps=steps, limit=n_windows)
        statistics = reference_provenance(vae, self.held_out)
        end_s = budget_s + schedule.overrun_s - self._after_s()
        seconds = max(end_s - schedule.elapsed_s, MIN_PRIOR_SHARE * self._prior_s(budget_s))
        prior = fit_prior(
            vae,
            self.windows,
            steps=min(kept.preset.prior.steps, schedule.step),
            seconds=seconds,
            window_s=self.encoding_s,
            start=self.origin.tensors_under("prior") if self.origin else None,
        )
        tensors = {n: t for n, t in kept.tensors.items() if not n.startswith("prior.")}
        tensors |= self._finite_tensors(kept, prior_tensors(prior), direction_tensors(directions))
        provenance = kept.provenance | {"finished": True} | statistics
        save(replace(kept, tensors=tensors, provenance=provenance), path)

    def _finite_tensors(
        self, kept: Checkpoint, prior: dict[str, Tensor], directions: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Return a prior and directions, without what diverged; the interim prior takes over."""
        if first_not_finite(prior) is not None:
            self.on_warning(
                "the prior diverged; the model keeps a simpler one, fitted in closed form. Try a "
                "lower --set prior.learning_rate, or prior.kind=gaussian"
            )
            prior = {n: t for n, t in kept.tensors.items() if n.startswith("prior.")}
        if first_not_finite(directions) is not None:
            self.on_warning("the directions to steer by diverged; the model has none")
            directions = {}
        return prior | directions


def reference_provenance(vae: VAE, windows: WindowDataset) -> dict[str, Any]:
    """Return the surprisal statistics of held-out songs for a denoising model's provenance."""
    has_surprisal = {*DEFAULT_CORRUPTION, "part_mask"} <= set(vae.preset.training.condition_kinds)
    norms = fit_reference_stats(vae, windows) if has_surprisal else None
    return {} if norms is None else {"norms": norms.to_dict()}
