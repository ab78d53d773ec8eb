"""Floor 4: corruptions. Windows of notes -> the same windows with something wrong, by name.

Each takes an amount from 0 (nothing) to 1 and the same generator gives the same damage. What comes
out is a window again: sorted, every note within its bar, no note twice, a voice one note at a time.
A denoising autoencoder learns to undo them; repairing a song means that it has learned to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints
from musicvae.representation.drums import DRUM_CLASSES
from musicvae.representation.windows import CARRY

WINDOW, BAR, POSITION, PART, PITCH, DURATION, VELOCITY, TIMING = range(8)
NEUTRAL_VELOCITY = 80  # velocity of notes that are all equally loud
TAP_PITCH = 38  # the drum that a tap is told as
CLEAN_SHARE = 1 / 8
MIN_PITCH, MAX_PITCH = 21, 108
ONSET_SHIFTS_STEPS = np.array([-2, -1, -1, 1, 1, 2])  # cells by which an onset is missed
DRUM_PITCHES = np.array([pitch for _, pitch in DRUM_CLASSES])


@dataclass(frozen=True, kw_only=True)
class WindowGrid:
    """What windows of notes stand on: cells of each bar, and how many notes a slot may have."""

    steps: Ints  # (W, N) cells of each bar, 0 past the song's end
    lead_steps: Ints  # (W, N) masked cells at the beginning of a pickup
    kinds: tuple[str, ...]  # (R,) `voice`, `chords` or `drums`

    @cached_property
    def cell_offsets(self) -> Ints:
        """Open cells before each bar of a window, and in all. `(W, N + 1)`"""
        return np.pad(np.cumsum(self.steps - self.lead_steps, axis=1), ((0, 0), (1, 0)))

    def onset_cells(self, rows: Ints) -> Ints:
        """The open cell at which each note begins, counted from its window's first; `(M,)`."""
        window, bar, position = rows[:, WINDOW], rows[:, BAR], rows[:, POSITION]
        step = np.maximum(position - 1 - self.lead_steps[window, bar], 0)
        return np.where(position == CARRY, 0, self.cell_offsets[window, bar] + step)

    def is_drum(self, rows: Ints) -> NDArray[np.bool_]:
        """Which notes are those of a drum kit; `(M,)`."""
        drums: NDArray[np.bool_] = np.array([kind == "drums" for kind in self.kinds])[rows[:, PART]]
        return drums


Amounts = NDArray[np.float64]  # (W,) of each window
Corruption = Callable[[Ints, WindowGrid, Amounts, np.random.Generator], Ints]


def corrupt(
    rows: Ints, ground: WindowGrid, kind: str, amount: float, rng: np.random.Generator
) -> Ints:
    """Windows with something wrong.

    Args:
        rows: notes `(M, C)`: `(window, bar, position, part, pitch, duration, velocity, ...)`.
        ground: the bars they stand in.
        kind: one of `KINDS`, or `none`.
        amount: 0 to 1; what it is the share of, each kind says.
        rng: the only source of chance.
    """
    if kind == "none":
        return rows.copy()
    return apply_corruptions(rows, ground, (kind,), np.full((len(ground.steps), 1), amount), rng)


def apply_corruptions(
    rows: Ints,
    ground: WindowGrid,
    kinds: Sequence[str],
    amounts: NDArray[np.float64],
    rng: np.random.Generator,
) -> Ints:
    """Windows with several things wrong, one after the other: `amounts` `(W, kinds)`."""
    rows = rows.copy()
    for kind, amount in zip(kinds, amounts.T, strict=True):
        rows = KINDS[kind](rows, ground, amount, rng)
    return _resolve_overlaps(rows, ground)


def sample_amounts(
    kinds: Sequence[str], n: int, most: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """How much of each kind `n` windows get that are learned from. `(n, kinds)`

    A window in eight, or more, is left as it is. Of the others some have one kind, some a mix, in
    all up to `most`. Kinds by which something lacks (`LACKS`) come alone, up to what stands there.
    """
    D = len(kinds)
    lacks = np.array([kind in MASKING_KINDS for kind in kinds])
    limit = np.array([MASKING_KINDS.get(kind, most) for kind in kinds])
    total = rng.random((n, 1))
    mix = rng.exponential(size=(n, D)) * (rng.random((n, D)) < 0.5) * ~lacks
    mix = mix / np.maximum(mix.sum(1, keepdims=True), 1e-9)
    one = limit * np.eye(D)[rng.integers(0, D, n)]
    several = rng.random((n, 1)) < (~lacks).sum() / (D + (~lacks).sum())
    clean = rng.random((n, 1)) < CLEAN_SHARE
    amounts: NDArray[np.float64] = np.where(several, most * mix, one) * total * ~clean
    return amounts


def substitute_pitches(
    rows: Ints, ground: WindowGrid, amount: Amounts, rng: np.random.Generator
) -> Ints:
    """Of `amount` of the notes the pitch is moved by 1 to 6 semitones; a drum becomes another."""
    hit = rng.random(len(rows)) < amount[rows[:, WINDOW]]
    interval = rng.choice(np.delete(np.arange(-6, 7), 6), len(rows))
    drum = ground.is_drum(rows)
    other = (_drum_class(rows) + rng.integers(1, len(DRUM_PITCHES), len(rows))) % len(DRUM_PITCHES)
    moved = np.where(drum, DRUM_PITCHES[other], _transpose_within_range(rows[:, PITCH], interval))
    rows[hit, PITCH] = moved[hit]
    return rows


def delete_notes(rows: Ints, ground: WindowGrid, amount: Amounts, rng: np.random.Generator) -> Ints:
    """`amount` of the notes are left out."""
    return rows[rng.random(len(rows)) >= amount[rows[:, WINDOW]]]


def insert_notes(rows: Ints, ground: WindowGrid, amount: Amounts, rng: np.random.Generator) -> Ints:
    """For `amount` of the notes another one is put in: somewhere in the same bar and part, at most
    an octave away and at most as long.
    """
    extra = rows[rng.random(len(rows)) < amount[rows[:, WINDOW]]].copy()
    window, bar = extra[:, WINDOW], extra[:, BAR]
    lead, steps = ground.lead_steps[window, bar], ground.steps[window, bar]
    extra[:, POSITION] = 1 + lead + (rng.random(len(extra)) * (steps - lead)).astype(np.int64)
    melodic = _transpose_within_range(extra[:, PITCH], rng.integers(-12, 13, len(extra)))
    drum = DRUM_PITCHES[rng.integers(0, len(DRUM_PITCHES), len(extra))]
    extra[:, PITCH] = np.where(ground.is_drum(extra), drum, melodic)
    extra[:, DURATION] = np.ceil(extra[:, DURATION] * (1 - rng.random(len(extra))))
    return np.concatenate([rows, extra])


def jitter_onsets(
    rows: Ints, ground: WindowGrid, amount: Amounts, rng: np.random.Generator
) -> Ints:
    """`amount` of the onsets come one cell too early or too late, a third of them two."""
    hit = (rng.random(len(rows)) < amount[rows[:, WINDOW]]) & (rows[:, POSITION] != CARRY)
    by = rng.choice(ONSET_SHIFTS_STEPS, len(rows))
    window, bar, before = rows[:, WINDOW], rows[:, BAR], rows[:, POSITION]
    low, high = 1 + ground.lead_steps[window, bar], ground.steps[window, bar]
    by = np.where((before + by < low) | (before + by > high), -by, by)
    rows[hit, POSITION] = np.clip(before + by, low, high)[hit]
    return rows


def truncate_notes(
    rows: Ints, ground: WindowGrid, amount: Amounts, rng: np.random.Generator
) -> Ints:
    """`amount` of the notes end too early, anywhere after their first cell."""
    length = rows[:, DURATION]
    hit = (rng.random(len(rows)) < amount[rows[:, WINDOW]]) & (length > 1)
    shorter = 1 + (rng.random(len(rows)) * (length - 1)).astype(np.int64)
    rows[hit, DURATION] = shorter[hit]
    return rows


def mask_bars(rows: Ints, ground: WindowGrid, amount: Amounts, rng: np.random.Generator) -> Ints:
    """`amount` of the bars are silent: nothing begins in them, nothing sounds on into them."""
    silent = rng.random(ground.steps.shape) < amount[:, None]
    return silence_bars(rows, ground, np.repeat(silent[..., None], len(ground.kinds), axis=2))


def mask_parts(rows: Ints, ground: WindowGrid, amount: Amounts, rng: np.random.Generator) -> Ints:
    """As `masked`; but in every second window each part has silent bars of its own."""
    shape = (*ground.steps.shape, len(ground.kinds))
    together = rng.random((shape[0], 1, 1)) < 0.5
    chance = np.where(together, rng.random((*shape[:2], 1)), rng.random(shape))
    return silence_bars(rows, ground, chance < amount[:, None, None])


def silence_bars(rows: Ints, ground: WindowGrid, silent: NDArray[np.bool_]) -> Ints:
    """Without what begins in, or sounds on into, bars in which a part is `silent` `(W, N, R)`."""
    base = ground.cell_offsets[..., None]
    total = base[:, -1:]
    at = np.where(silent, base[:, :-1], total)
    until = np.concatenate([at, np.broadcast_to(total, (len(at), 1, at.shape[2]))], 1)
    until = np.minimum.accumulate(until[:, ::-1], axis=1)[:, ::-1]
    window, bar, part = rows[:, WINDOW], rows[:, BAR], rows[:, PART]
    rows[:, DURATION] = np.minimum(
        rows[:, DURATION], until[window, bar, part] - ground.onset_cells(rows)
    )
    return rows[~silent[window, bar, part]]


def shift_octaves(
    rows: Ints, ground: WindowGrid, amount: Amounts, rng: np.random.Generator
) -> Ints:
    """`amount` of the notes lie an octave off, as an overtone is taken for the tone itself."""
    hit = (rng.random(len(rows)) < amount[rows[:, WINDOW]]) & ~ground.is_drum(rows)
    moved = _transpose_within_range(rows[:, PITCH], rng.choice([-12, 12], len(rows)))
    rows[hit, PITCH] = moved[hit]
    return rows


def add_transcription_errors(
    rows: Ints, ground: WindowGrid, amount: Amounts, rng: np.random.Generator
) -> Ints:
    """What writing down a recording gets wrong: of the notes `amount / 2` end too early and
    `amount / 2` begin too early or late, `amount / 3` are missed and as many heard that are not
    there, `amount / 6` lie an octave off.
    """
    for what, share in (
        (truncate_notes, 2),
        (jitter_onsets, 2),
        (shift_octaves, 6),
        (delete_notes, 3),
        (insert_notes, 3),
    ):
        rows = what(rows, ground, amount / share, rng)
    return rows


def remove_expression(
    rows: Ints, ground: WindowGrid, amount: Amounts, rng: np.random.Generator
) -> Ints:
    """Of `amount` of the notes it is lost how they were played: all equally loud, on the grid."""
    hit = rng.random(len(rows)) < amount[rows[:, WINDOW]]
    rows[hit, VELOCITY], rows[hit, TIMING] = NEUTRAL_VELOCITY, 0
    return rows


def reduce_to_taps(
    rows: Ints, ground: WindowGrid, amount: Amounts, rng: np.random.Generator
) -> Ints:
    """It is only heard when something is played, not what: each part becomes one short tap wherever
    some of its pitches begin, each with the chance `amount`, at least one. At 0 all is heard.
    """
    W, R = len(ground.steps), len(ground.kinds)
    window, part = rows[:, WINDOW], rows[:, PART]
    hit = (amount > 0)[window]
    audible = rng.random((W, R, 128)) < amount[:, None, None]
    keep = audible[window, part, np.clip(rows[:, PITCH], 0, 127)]
    some = np.zeros((W, R), bool)
    np.logical_or.at(some, (window, part), keep)
    taps = rows[hit & (keep | ~some[window, part]) & (rows[:, POSITION] != CARRY)]
    taps[:, PITCH] = np.where(ground.is_drum(taps), TAP_PITCH, 60)
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
"""Every corruption by the name a preset gives it."""
MASKING_KINDS = {"bar_mask": 0.6, "part_mask": 0.6, "humanize": 1.0, "tapify": 1.0}
"""Kinds that take away some of what notes tell, rather than telling something wrong, and how much
of them there is at most in windows that are learned from.
"""


def _transpose_within_range(pitch: Ints, interval: Ints) -> Ints:
    """Pitches moved by intervals, or by their inversion where that would leave the keyboard."""
    there = pitch + interval
    outside = (there < MIN_PITCH) | (there > MAX_PITCH)
    return np.clip(np.where(outside, pitch - interval, there), MIN_PITCH, MAX_PITCH)


def _drum_class(rows: Ints) -> Ints:
    """The class of each drum note; 0 for what is none."""
    table = np.zeros(128, np.int64)
    table[DRUM_PITCHES] = np.arange(len(DRUM_PITCHES))
    return table[np.clip(rows[:, PITCH], 0, 127)]


def _resolve_overlaps(rows: Ints, ground: WindowGrid, /) -> Ints:
    """Rows as windows have them: in order, none overlapping, none past the end.

    A voice's note ends where its next one begins, other notes where their pitch begins again; of
    those that begin together the one that came last stays.
    """
    start = ground.onset_cells(rows)
    voice = np.array([kind == "voice" for kind in ground.kinds])[rows[:, PART]]
    line = rows[:, PART] * 128 + np.where(voice, 0, rows[:, PITCH])
    order = np.lexsort((rows[:, POSITION] != CARRY, start, line, rows[:, WINDOW]))
    rows, start, line = rows[order], start[order], line[order]
    until = ground.cell_offsets[rows[:, WINDOW], -1]
    follows = (np.diff(rows[:, WINDOW]) == 0) & (np.diff(line) == 0)
    until[:-1][follows] = np.minimum(until[:-1], start[1:])[follows]
    rows[:, DURATION] = np.minimum(rows[:, DURATION], until - start)
    rows = rows[rows[:, DURATION] > 0]
    keys = (rows[:, column] for column in (PITCH, PART, POSITION, BAR, WINDOW))
    return rows[np.lexsort(tuple(keys))]
