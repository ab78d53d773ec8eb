"""Corruptions: seeded, named changes to windows of notes, as input of denoising models.

Each takes an amount per window from 0 (no change) to 1. The result is a valid window again: sorted,
every note within its bar, no duplicates, one note at a time in a slot of kind `voice`. Rows are
those of a `NoteTable`, `(M, 8)` int64. `humanize` and `tapify` are named after tasks of GrooVAE
(Gillick et al. 2019), whose inputs they make.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from musicvae.arrays import Bools, Floats, Ints
from musicvae.config.plugins import plugin
from musicvae.representation.drums import DRUM_CLASSES
from musicvae.representation.note_table import (
    BAR,
    DURATION,
    PART,
    PITCH,
    POSITION,
    TIMING,
    VELOCITY,
    WINDOW,
)
from musicvae.representation.windows import CARRY

NEUTRAL_VELOCITY = 80  # velocity of notes without expression
TAP_PITCH = 38  # drum pitch of a tap
MELODIC_TAP_PITCH = 60
CLEAN_SHARE = 1 / 8  # share of training windows that stay clean
MIN_PITCH, MAX_PITCH = 21, 108
ONSET_SHIFTS_STEPS = np.array([-2, -1, -1, 1, 1, 2])  # onset errors, drawn uniformly
DRUM_PITCHES = np.array([pitch for _, pitch in DRUM_CLASSES])


@dataclass(frozen=True, kw_only=True)
class WindowGrid:
    """The bars of W windows and the kinds of their slots."""

    steps: Ints  # (W, N) cells of each bar, 0 past the end of the song
    lead_steps: Ints  # (W, N) masked cells at the start of a pickup bar
    kinds: tuple[str, ...]  # (R,) `voice`, `chords` or `drums`

    @cached_property
    def cell_offsets(self) -> Ints:
        """Unmasked cells before each bar of a window, and their total, `(W, N + 1)`."""
        return np.pad(np.cumsum(self.steps - self.lead_steps, axis=1), ((0, 0), (1, 0)))

    def onset_cells(self, rows: Ints) -> Ints:
        """Return the unmasked cell of each onset, counted from the start of its window, `(M,)`."""
        window, bar, position = rows[:, WINDOW], rows[:, BAR], rows[:, POSITION]
        step = np.maximum(position - 1 - self.lead_steps[window, bar], 0)
        return np.where(position == CARRY, 0, self.cell_offsets[window, bar] + step)

    def is_drum(self, rows: Ints) -> Bools:
        """Return which notes belong to a slot of drums, `(M,)`."""
        drums: Bools = np.array([kind == "drums" for kind in self.kinds])[rows[:, PART]]
        return drums


Amounts = Floats  # (W,) one amount per window
Corruption = Callable[[Ints, WindowGrid, Amounts, np.random.Generator], Ints]


def corrupt(
    rows: Ints, grid: WindowGrid, kind: str, amount: float, rng: np.random.Generator
) -> Ints:
    """Return windows with one kind of corruption.

    Args:
        rows: notes `(M, 8)`; not modified.
        grid: the bars they stand in.
        kind: a key of `KINDS`, a plug-in, or `none`.
        amount: 0 to 1; each kind defines what it is a share of.
        rng: the only source of randomness.
    """
    if kind == "none":
        return rows.copy()
    return apply_corruptions(rows, grid, (kind,), np.full((len(grid.steps), 1), amount), rng)


def apply_corruptions(
    rows: Ints,
    grid: WindowGrid,
    kinds: Sequence[str],
    amounts: Floats,
    rng: np.random.Generator,
) -> Ints:
    """Return windows with several corruptions, applied in order; `amounts` is `(W, D)`."""
    rows = rows.copy()
    for kind, amount in zip(kinds, amounts.T, strict=True):
        apply = KINDS.get(kind) or plugin("corruption", kind)
        rows = apply(rows, grid, amount, rng)
    return _resolve_overlaps(rows, grid)


def sample_amounts(
    kinds: Sequence[str], n_windows: int, max_amount: float, rng: np.random.Generator
) -> Floats:
    """Draw the amount of each kind for training windows, `(W, D)`.

    At least one window in eight stays clean. Of the others some get one kind and some a mix, up to
    `max_amount` in total. `MASKING_KINDS` are never mixed and have maxima of their own.
    """
    D = len(kinds)
    is_masking = np.array([kind in MASKING_KINDS for kind in kinds])
    limit = np.array([MASKING_KINDS.get(kind, max_amount) for kind in kinds])
    total = rng.random((n_windows, 1))
    mix = rng.exponential(size=(n_windows, D)) * (rng.random((n_windows, D)) < 0.5) * ~is_masking
    mix = mix / np.maximum(mix.sum(1, keepdims=True), 1e-9)
    single = limit * np.eye(D)[rng.integers(0, D, n_windows)]
    n_mixable = (~is_masking).sum()
    is_mix = rng.random((n_windows, 1)) < n_mixable / (D + n_mixable)
    is_clean = rng.random((n_windows, 1)) < CLEAN_SHARE
    amounts: Floats = np.where(is_mix, max_amount * mix, single) * total * ~is_clean
    return amounts


def substitute_pitches(
    rows: Ints, grid: WindowGrid, amount: Amounts, rng: np.random.Generator
) -> Ints:
    """Move the pitch of `amount` of the notes by 1 to 6 semitones; replace drums by others."""
    hit = rng.random(len(rows)) < amount[rows[:, WINDOW]]
    interval = rng.choice(np.delete(np.arange(-6, 7), 6), len(rows))
    drum = grid.is_drum(rows)
    other = (_drum_class(rows) + rng.integers(1, len(DRUM_PITCHES), len(rows))) % len(DRUM_PITCHES)
    moved = np.where(drum, DRUM_PITCHES[other], _transpose_within_range(rows[:, PITCH], interval))
    rows[hit, PITCH] = moved[hit]
    return rows


def delete_notes(rows: Ints, grid: WindowGrid, amount: Amounts, rng: np.random.Generator) -> Ints:
    """Delete `amount` of the notes."""
    return rows[rng.random(len(rows)) >= amount[rows[:, WINDOW]]]


def insert_notes(rows: Ints, grid: WindowGrid, amount: Amounts, rng: np.random.Generator) -> Ints:
    """For `amount` of the notes insert another one, anywhere in the same bar and part.

    It is at most an octave away and at most as long.
    """
    extra = rows[rng.random(len(rows)) < amount[rows[:, WINDOW]]].copy()
    window, bar = extra[:, WINDOW], extra[:, BAR]
    lead, steps = grid.lead_steps[window, bar], grid.steps[window, bar]
    extra[:, POSITION] = 1 + lead + (rng.random(len(extra)) * (steps - lead)).astype(np.int64)
    melodic = _transpose_within_range(extra[:, PITCH], rng.integers(-12, 13, len(extra)))
    drum = DRUM_PITCHES[rng.integers(0, len(DRUM_PITCHES), len(extra))]
    extra[:, PITCH] = np.where(grid.is_drum(extra), drum, melodic)
    extra[:, DURATION] = np.ceil(extra[:, DURATION] * (1 - rng.random(len(extra))))
    return np.concatenate([rows, extra])


def jitter_onsets(rows: Ints, grid: WindowGrid, amount: Amounts, rng: np.random.Generator) -> Ints:
    """Move `amount` of the onsets by one step, a third of them by two, within their bar."""
    hit = (rng.random(len(rows)) < amount[rows[:, WINDOW]]) & (rows[:, POSITION] != CARRY)
    by = rng.choice(ONSET_SHIFTS_STEPS, len(rows))
    window, bar, before = rows[:, WINDOW], rows[:, BAR], rows[:, POSITION]
    low, high = 1 + grid.lead_steps[window, bar], grid.steps[window, bar]
    by = np.where((before + by < low) | (before + by > high), -by, by)
    rows[hit, POSITION] = np.clip(before + by, low, high)[hit]
    return rows


def truncate_notes(rows: Ints, grid: WindowGrid, amount: Amounts, rng: np.random.Generator) -> Ints:
    """Shorten `amount` of the notes, to at least one cell."""
    length = rows[:, DURATION]
    hit = (rng.random(len(rows)) < amount[rows[:, WINDOW]]) & (length > 1)
    shorter = 1 + (rng.random(len(rows)) * (length - 1)).astype(np.int64)
    rows[hit, DURATION] = shorter[hit]
    return rows


def mask_bars(rows: Ints, grid: WindowGrid, amount: Amounts, rng: np.random.Generator) -> Ints:
    """Silence `amount` of the bars in all parts."""
    silent = rng.random(grid.steps.shape) < amount[:, None]
    return silence_bars(rows, grid, np.repeat(silent[..., None], len(grid.kinds), axis=2))


def mask_parts(rows: Ints, grid: WindowGrid, amount: Amounts, rng: np.random.Generator) -> Ints:
    """Silence `amount` of the bars: in half of the windows in all parts, else for each part."""
    shape = (*grid.steps.shape, len(grid.kinds))
    together = rng.random((shape[0], 1, 1)) < 0.5
    chance = np.where(together, rng.random((*shape[:2], 1)), rng.random(shape))
    return silence_bars(rows, grid, chance < amount[:, None, None])


def silence_bars(rows: Ints, grid: WindowGrid, silent: Bools) -> Ints:
    """Remove notes that begin in bars where their part is `silent` `(W, N, R)`.

    Notes that would sound into such a bar end at its bar line.
    """
    offsets = grid.cell_offsets[..., None]
    total = offsets[:, -1:]
    at = np.where(silent, offsets[:, :-1], total)
    until = np.concatenate([at, np.broadcast_to(total, (len(at), 1, at.shape[2]))], 1)
    until = np.minimum.accumulate(until[:, ::-1], axis=1)[:, ::-1]
    window, bar, part = rows[:, WINDOW], rows[:, BAR], rows[:, PART]
    max_duration = until[window, bar, part] - grid.onset_cells(rows)
    rows[:, DURATION] = np.minimum(rows[:, DURATION], max_duration)
    return rows[~silent[window, bar, part]]


def shift_octaves(rows: Ints, grid: WindowGrid, amount: Amounts, rng: np.random.Generator) -> Ints:
    """Move `amount` of the notes by an octave, as pitch trackers do that take an overtone."""
    hit = (rng.random(len(rows)) < amount[rows[:, WINDOW]]) & ~grid.is_drum(rows)
    moved = _transpose_within_range(rows[:, PITCH], rng.choice([-12, 12], len(rows)))
    rows[hit, PITCH] = moved[hit]
    return rows


def add_transcription_errors(
    rows: Ints, grid: WindowGrid, amount: Amounts, rng: np.random.Generator
) -> Ints:
    """Apply typical errors of transcription.

    Of the notes `amount / 2` are truncated, `amount / 2` shifted in time, `amount / 6` moved by an
    octave, `amount / 3` deleted, and `amount / 3` inserted.
    """
    for corruption, divisor in (
        (truncate_notes, 2),
        (jitter_onsets, 2),
        (shift_octaves, 6),
        (delete_notes, 3),
        (insert_notes, 3),
    ):
        rows = corruption(rows, grid, amount / divisor, rng)
    return rows


def remove_expression(
    rows: Ints, grid: WindowGrid, amount: Amounts, rng: np.random.Generator
) -> Ints:
    """Set `amount` of the notes to `NEUTRAL_VELOCITY` and no microtiming."""
    hit = rng.random(len(rows)) < amount[rows[:, WINDOW]]
    rows[hit, VELOCITY], rows[hit, TIMING] = NEUTRAL_VELOCITY, 0
    return rows


def reduce_to_taps(rows: Ints, grid: WindowGrid, amount: Amounts, rng: np.random.Generator) -> Ints:
    """Reduce each part to one short tap wherever it has an onset, whatever the pitches.

    Each pitch of a part is kept with probability `amount`, at least one, and only onsets of these
    give taps. Windows of amount 0 are unchanged.
    """
    W, R = len(grid.steps), len(grid.kinds)
    window, part = rows[:, WINDOW], rows[:, PART]
    hit = (amount > 0)[window]
    is_kept = rng.random((W, R, 128)) < amount[:, None, None]
    keep = is_kept[window, part, np.clip(rows[:, PITCH], 0, 127)]
    has_kept = np.zeros((W, R), bool)
    np.logical_or.at(has_kept, (window, part), keep)
    taps = rows[hit & (keep | ~has_kept[window, part]) & (rows[:, POSITION] != CARRY)]
    taps[:, PITCH] = np.where(grid.is_drum(taps), TAP_PITCH, MELODIC_TAP_PITCH)
    taps[:, DURATION], taps[:, TIMING] = 1, 0
    _, first = np.unique(taps[:, [WINDOW, BAR, POSITION, PART]], axis=0, return_index=True)
    return np.concatenate([rows[~hit], taps[first]])


KINDS: dict[str, Corruption] = {
    "pitch_substitution": substitute_pitches,
    "deletion": delete_notes,
    "insertion": insert_notes,
    "onset_jitter": jitter_onsets,
    "truncation": truncate_notes,
    "bar_mask": mask_bars,
    "transcription": add_transcription_errors,
    "part_mask": mask_parts,
    "humanize": remove_expression,
    "tapify": reduce_to_taps,
}
"""Every corruption by its name in presets."""
MASKING_KINDS = {"bar_mask": 0.6, "part_mask": 0.6, "humanize": 1.0, "tapify": 1.0}
"""Kinds that remove information instead of changing notes, with their maxima in training."""


def _transpose_within_range(pitch: Ints, interval: Ints) -> Ints:
    """Transpose by intervals, or by their inversions where the result leaves the keyboard."""
    moved = pitch + interval
    outside = (moved < MIN_PITCH) | (moved > MAX_PITCH)
    return np.clip(np.where(outside, pitch - interval, moved), MIN_PITCH, MAX_PITCH)


def _drum_class(rows: Ints) -> Ints:
    """Return the class of each drum note, 0 for other notes."""
    table = np.zeros(128, np.int64)
    table[DRUM_PITCHES] = np.arange(len(DRUM_PITCHES))
    return table[np.clip(rows[:, PITCH], 0, 127)]


def _resolve_overlaps(rows: Ints, grid: WindowGrid, /) -> Ints:
    """Return rows in order, without overlaps and without notes past the end of their window.

    In a slot of kind `voice` a note ends where the next one begins, elsewhere where its pitch
    begins again; of simultaneous onsets the last row stays.
    """
    start = grid.onset_cells(rows)
    is_voice = np.array([kind == "voice" for kind in grid.kinds])[rows[:, PART]]
    line = rows[:, PART] * 128 + np.where(is_voice, 0, rows[:, PITCH])
    order = np.lexsort((rows[:, POSITION] != CARRY, start, line, rows[:, WINDOW]))
    rows, start, line = rows[order], start[order], line[order]
    until = grid.cell_offsets[rows[:, WINDOW], -1]
    has_next = (np.diff(rows[:, WINDOW]) == 0) & (np.diff(line) == 0)
    until[:-1][has_next] = np.minimum(until[:-1], start[1:])[has_next]
    rows[:, DURATION] = np.minimum(rows[:, DURATION], until - start)
    rows = rows[rows[:, DURATION] > 0]
    keys = (rows[:, column] for column in (PITCH, PART, POSITION, BAR, WINDOW))
    return rows[np.lexsort(tuple(keys))]
