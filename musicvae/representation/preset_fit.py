"""Floor 4: how well a preset suits a song.

Told by what would happen to the song's notes (`parts.into_slots`), so any preset can be judged,
also one that a user made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from musicvae.config.preset import Preset
from musicvae.representation.bars import Bars, cells
from musicvae.representation.grid import Grid
from musicvae.representation.slots import Group, into_slots

Candidate = TypeVar("Candidate")
_SAME_SHARE = 0.02  # shares of notes that are not told apart
_SAME_REGISTER = 6  # semitones
_NEARLY = 0.95  # of the notes: what more than these ask for does not count


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What a preset does to a song, or to several on average."""

    share: float
    """Share of the notes that go through the model, 0..1; the others stay untouched."""
    passes: float
    """How often the model is gone through for nearly all of them, one group of parts at a time."""
    bent: float
    """Parts that are not what their slot is for: chords split into lines, a line in place of
    chords."""
    idle: float
    """Slots without a part, over all passes."""
    apart: float
    """Semitones from where a slot usually plays to where its part does."""
    bits_a_bar: float
    """What the preset's latent says of a bar: more is more faithful."""
    bars: int
    """Bars of a window."""

    @property
    def order(self) -> tuple[float, ...]:
        """Greater is better: notes kept, then passes, parts unbent, slots used, register, bits,
        context.
        """
        kept = round(self.share / _SAME_SHARE)
        far = round(self.apart / _SAME_REGISTER)
        worse = (-round(n, 1) for n in (self.passes, self.bent, self.idle, far))
        return (kept, *worse, self.bits_a_bar, self.bars, self.share)

    def suits_like(self, best: Fit) -> bool:
        """Whether notes kept and passes are about those of the `best` that can be had."""
        return self.share > 0 and self.share >= 0.9 * best.share and self.passes <= best.passes

    def __str__(self) -> str:
        """In words, such as "99% of the notes, in 1 pass"."""
        times = f"{round(self.passes, 1):g} pass{'' if round(self.passes, 1) == 1 else 'es'}"
        return f"{self.share:.0%} of the notes, in {times}" if self.share else "none of the notes"


def fit(preset: Preset, song: Bars) -> Fit:
    """How well `preset` suits `song`, whatever grid it is on."""
    bars = song.at(preset.grid.steps_per_quarter)
    slotted, closed = into_slots(bars, preset.parts), _closed(bars.grid, preset)
    groups = [
        replace(group, notes=group.notes.take(~closed[group.notes.bar])) for group in slotted.groups
    ]
    through = sum(len(group.notes) for group in groups)
    n_notes = len(slotted.untouched) + sum(len(group.notes) for group in slotted.groups)
    groups = _most(groups, through)
    owners = np.concatenate([np.zeros(0, np.int64), *(group.owner for group in groups)])
    return Fit(
        share=through / max(n_notes, 1),
        passes=len(groups),
        bent=int((np.bincount(owners[owners >= 0]) > 1).sum())
        + sum(_lines(bars.grid, group, preset) for group in groups),
        idle=int((owners < 0).sum()),
        apart=_apart(groups, preset),
        bits_a_bar=preset.training.kl_target_bits / preset.grid.bars,
        bars=preset.grid.bars,
    )


def fit_all(preset: Preset, songs: Sequence[Bars]) -> Fit:
    """How well a preset suits several songs: the mean of their fits."""
    fits = [fit(preset, song) for song in songs]

    def mean(name: str) -> float:
        return float(np.mean([getattr(each, name) for each in fits])) if fits else 0.0

    return Fit(
        share=mean("share"),
        passes=mean("passes"),
        bent=mean("bent"),
        idle=mean("idle"),
        apart=mean("apart"),
        bits_a_bar=preset.training.kl_target_bits / preset.grid.bars,
        bars=preset.grid.bars,
    )


def best(candidates: Iterable[Candidate], rated: Callable[[Candidate], Fit]) -> Candidate:
    """The candidate with the best fit, the first of equals."""
    return max(candidates, key=lambda each: rated(each).order)


def most_wanted(presets: Sequence[Preset], songs: Iterable[Bars]) -> tuple[Preset, float]:
    """The preset that is the best one for most songs, and for which share of them."""
    votes: Counter[int] = Counter()
    n_songs = 0
    for song in songs:
        rated = [fit(preset, song) for preset in presets]
        nth = best(range(len(presets)), rated.__getitem__)
        votes[nth] += rated[nth].share > 0
        n_songs += 1
    nth, n = max(votes.items(), key=lambda vote: vote[1], default=(0, 0))
    return presets[nth], n / max(n_songs, 1)


def _closed(grid: Grid, preset: Preset) -> NDArray[np.bool_]:
    """Bars of windows that do not go through, because one of their bars is too long. `(N,)`"""
    long, size = grid.steps > preset.grid.max_steps, preset.grid.bars
    return np.logical_or.reduceat(long, np.arange(0, len(long), size)).repeat(size)[: len(long)]


def _most(groups: list[Group], total: int) -> list[Group]:
    """The fullest groups that hold nearly all of the notes."""
    fullest = sorted(groups, key=lambda group: -len(group.notes))
    before = np.cumsum([0, *(len(group.notes) for group in fullest)])[:-1]
    return [group for group, n in zip(fullest, before, strict=True) if n < _NEARLY * total]


def _apart(groups: list[Group], preset: Preset) -> float:
    """Semitones between slots and what is in them, on average over slots in use."""
    found = [
        abs(float(group.notes.pitch[mine].mean()) - part.center)
        for group in groups
        for slot, part in enumerate(preset.parts)
        if part.kind != "drums" and (mine := group.notes.part == slot).any()
    ]
    return sum(found) / max(len(found), 1)


def _lines(grid: Grid, group: Group, preset: Preset) -> int:
    """Slots for chords in which a line is, one note at a time but for a few overlaps."""
    found = 0
    for slot, part in enumerate(preset.parts):
        if part.kind == "chords" and group.owner[slot] >= 0:
            notes = group.notes.take(group.notes.part == slot)
            start = cells(grid, notes)
            order = np.argsort(start, kind="stable")
            stop = np.maximum.accumulate((start + notes.duration)[order])
            found += int((start[order][1:] < stop[:-1]).sum() <= (1 - _NEARLY) * len(notes))
    return found
