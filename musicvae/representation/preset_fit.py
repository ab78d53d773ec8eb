"""How well a preset suits a song.

A fit is measured by what slot assignment does to the song's notes (`slots.assign_slots`), so that
any preset can be rated, user-defined ones included.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from musicvae.arrays import Bools
from musicvae.config.preset import Preset
from musicvae.representation.bars import Bars, cell_index
from musicvae.representation.grid import Grid
from musicvae.representation.slots import ModelPass, assign_slots

Candidate = TypeVar("Candidate")
_NOTE_SHARE_RESOLUTION = 0.02  # smaller differences in the share of notes are ignored
_REGISTER_RESOLUTION = 6  # semitones
_MAIN_SHARE = 0.95  # of the notes: passes that hold the rest do not count


@dataclass(frozen=True, kw_only=True)
class PresetFit:
    """What a preset does to a song, or to several on average."""

    note_share: float
    """Share of the notes that go through the model, 0..1; the others pass through unchanged."""
    n_passes: float
    """Passes through the model that hold nearly all of these notes."""
    n_kind_mismatch: float
    """Parts that do not match the kind of their slot: chords split into lines, or a line in a slot
    for chords."""
    n_empty_slots: float
    """Slots without a part, over all passes."""
    register_distance: float
    """Mean distance in semitones between a slot's typical pitch and its part's mean pitch."""
    bits_per_bar: float
    """KL target per bar, in bits; a larger one reconstructs better."""
    window_bars: int
    """Bars of a window."""
    any_part: bool = False
    """Whether the preset takes parts of any kind, each in a pass of its own."""

    @property
    def sort_key(self) -> tuple[float, ...]:
        """Key by which a better fit is greater.

        In order: notes modeled, parts just as they are modeled, a model of any parts, passes, kind
        mismatches, empty slots, register, bits, context.
        """
        notes = round(self.note_share / _NOTE_SHARE_RESOLUTION)
        register = round(self.register_distance / _REGISTER_RESOLUTION)
        costs = (self.n_passes, self.n_kind_mismatch, self.n_empty_slots, register)
        penalties = (-round(cost, 1) for cost in costs)
        kind = (self.is_exact, self.any_part)
        return (notes, *kind, *penalties, self.bits_per_bar, self.window_bars, self.note_share)

    @property
    def is_exact(self) -> bool:
        """Whether all notes go through a model made for just such parts, in one pass."""
        all_notes = self.note_share >= 1 - _NOTE_SHARE_RESOLUTION / 2 and not self.any_part
        return all_notes and self.n_passes <= 1 and not self.n_kind_mismatch

    def is_comparable(self, best: PresetFit) -> bool:
        """Return whether share of notes and passes are close to those of the `best` fit."""
        enough_notes = self.note_share > 0 and self.note_share >= 0.9 * best.note_share
        return enough_notes and self.n_passes <= best.n_passes

    def __str__(self) -> str:
        """Return a summary such as "99% of the notes, in 1 pass"."""
        n_passes = round(self.n_passes, 1)
        passes = f"{n_passes:g} pass{'' if n_passes == 1 else 'es'}"
        return (
            f"{self.note_share:.0%} of the notes, in {passes}"
            if self.note_share
            else "none of the notes"
        )


def measure_fit(preset: Preset, song: Bars) -> PresetFit:
    """Return how well `preset` suits `song`, whose grid may be any."""
    bars = song.at(preset.grid.steps_per_quarter)
    assignment, too_long = assign_slots(bars, preset.parts), _too_long(bars.grid, preset)
    passes = [
        replace(each, notes=each.notes.select(~too_long[each.notes.bar]))
        for each in assignment.passes
    ]
    n_modeled = sum(len(each.notes) for each in passes)
    n_notes = len(assignment.passthrough) + sum(len(each.notes) for each in assignment.passes)
    passes = _main_passes(passes, n_modeled)
    source_parts = np.concatenate([np.zeros(0, np.int64), *(each.source_part for each in passes)])
    n_split = int((np.bincount(source_parts[source_parts >= 0]) > 1).sum())
    return PresetFit(
        note_share=n_modeled / max(n_notes, 1),
        n_passes=len(passes),
        n_kind_mismatch=n_split + sum(_n_lines(bars.grid, each, preset) for each in passes),
        n_empty_slots=int((source_parts < 0).sum()),
        register_distance=_register_distance(passes, preset),
        bits_per_bar=preset.training.kl_target_bits / preset.grid.bars,
        window_bars=preset.grid.bars,
        any_part=preset.takes_any_part,
    )


def mean_fit(preset: Preset, songs: Sequence[Bars]) -> PresetFit:
    """Return the mean fit of a preset over several songs."""
    fits = [measure_fit(preset, song) for song in songs]

    def mean(name: str) -> float:
        return float(np.mean([getattr(fit, name) for fit in fits])) if fits else 0.0

    return PresetFit(
        note_share=mean("note_share"),
        n_passes=mean("n_passes"),
        n_kind_mismatch=mean("n_kind_mismatch"),
        n_empty_slots=mean("n_empty_slots"),
        register_distance=mean("register_distance"),
        bits_per_bar=preset.training.kl_target_bits / preset.grid.bars,
        window_bars=preset.grid.bars,
        any_part=preset.takes_any_part,
    )


def pick_best(
    candidates: Iterable[Candidate], fit_of: Callable[[Candidate], PresetFit]
) -> Candidate:
    """Return the candidate with the best fit, the first of equals."""
    return max(candidates, key=lambda candidate: fit_of(candidate).sort_key)


def vote_preset(presets: Sequence[Preset], songs: Iterable[Bars]) -> tuple[Preset, float]:
    """Return the preset that suits most songs best, and the share of songs for which it does."""
    votes: Counter[int] = Counter()
    n_songs = 0
    for song in songs:
        fits = [measure_fit(preset, song) for preset in presets]
        winner = pick_best(range(len(presets)), fits.__getitem__)
        votes[winner] += fits[winner].note_share > 0
        n_songs += 1
    winner, n_votes = max(votes.items(), key=lambda vote: vote[1], default=(0, 0))
    return presets[winner], n_votes / max(n_songs, 1)


def _too_long(grid: Grid, preset: Preset) -> Bools:
    """Return the bars of windows that are not modeled because one bar is too long. `(N,)`"""
    long, size = grid.steps > preset.grid.max_steps, preset.grid.bars
    return np.logical_or.reduceat(long, np.arange(0, len(long), size)).repeat(size)[: len(long)]


def _main_passes(passes: list[ModelPass], n_notes: int) -> list[ModelPass]:
    """Return the fullest passes that together hold nearly all of the notes."""
    fullest = sorted(passes, key=lambda each: -len(each.notes))
    n_before = np.cumsum([0, *(len(each.notes) for each in fullest)])[:-1]
    return [each for each, n in zip(fullest, n_before, strict=True) if n < _MAIN_SHARE * n_notes]


def _register_distance(passes: list[ModelPass], preset: Preset) -> float:
    """Return the mean distance between slots in use and their parts, in semitones."""
    distances = [
        abs(float(each.notes.pitch[in_slot].mean()) - part.center)
        for each in passes
        for slot, part in enumerate(preset.parts)
        if part.kind != "drums" and (in_slot := each.notes.part == slot).any()
    ]
    return sum(distances) / max(len(distances), 1)


def _n_lines(grid: Grid, model_pass: ModelPass, preset: Preset) -> int:
    """Return the number of slots for chords that hold a line, monophonic but for a few overlaps."""
    n_lines = 0
    for slot, part in enumerate(preset.parts):
        if part.kind == "chords" and model_pass.source_part[slot] >= 0:
            notes = model_pass.notes.select(model_pass.notes.part == slot)
            start = cell_index(grid, notes)
            order = np.argsort(start, kind="stable")
            stop = np.maximum.accumulate((start + notes.duration)[order])
            n_overlaps = int((start[order][1:] < stop[:-1]).sum())
            n_lines += n_overlaps <= (1 - _MAIN_SHARE) * len(notes)
    return n_lines
