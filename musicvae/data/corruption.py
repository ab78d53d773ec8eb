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

from musicvae.representation.drums import CLASSES
from musicvae.representation.windows import CARRY
from musicvae.song import Ints

Rows = NDArray[np.int64]

WINDOW, BAR, POSITION, PART, PITCH, DURATION, VELOCITY, TIMING = range(8)
LEVEL = 80  # velocity of notes that are all equally loud
TAP = 38  # the drum that a tap is told as
_CLEAN = 1 / 8
_LOWEST, _HIGHEST = 21, 108
_NEAR = np.array([-2, -1, -1, 1, 1, 2])  # cells by which an onset is missed
_KIT = np.array([pitch for _, pitch in CLASSES])


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What windows of notes stand on: cells of each bar, and how many notes a slot may have."""

    steps: Ints  # (W, N) cells of each bar, 0 past the song's end
    lead: Ints  # (W, N) masked cells at the beginning of a pickup
    kinds: tuple[str, ...]  # (R,) `voice`, `chords` or `drums`

    @cached_property
    def base(self) -> Ints:
        """Open cells before each bar of a window, and in all. `(W, N + 1)`"""
        return np.pad(np.cumsum(self.steps - self.lead, axis=1), ((0, 0), (1, 0)))

    def start(self, rows: Rows) -> Ints:
        """The open cell at which each note begins, counted from its window's first; `(M,)`."""
        window, bar, position = rows[:, WINDOW], rows[:, BAR], rows[:, POSITION]
        step = np.maximum(position - 1 - self.lead[window, bar], 0)
        return np.where(position == CARRY, 0, self.base[window, bar] + step)

    def is_drum(self, rows: Rows) -> NDArray[np.bool_]:
        """Which notes are those of a drum kit; `(M,)`."""
        drums: NDArray[np.bool_] = np.array([kind == "drums" for kind in self.kinds])[rows[:, PART]]
        return drums


Amount = NDArray[np.float64]  # (W,) of each window
Corruption = Callable[[Rows, Ground, Amount, np.random.Generator], Rows]


def corrupt(rows: Rows, ground: Ground, kind: str, amount: float, rng: np.random.Generator) -> Rows:
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
    return corrupt_all(rows, ground, (kind,), np.full((len(ground.steps), 1), amount), rng)


def corrupt_all(
    rows: Rows,
    ground: Ground,
    kinds: Sequence[str],
    amounts: NDArray[np.float64],
    rng: np.random.Generator,
) -> Rows:
    """Windows with several things wrong, one after the other: `amounts` `(W, kinds)`."""
    rows = rows.copy()
    for kind, amount in zip(kinds, amounts.T, strict=True):
        rows = KINDS[kind](rows, ground, amount, rng)
    return _settled(rows, ground)


def drawn_amounts(
    kinds: Sequence[str], n: int, most: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """How much of each kind `n` windows get that are learned from. `(n, kinds)`

    A window in eight, or more, is left as it is. Of the others some have one kind, some a mix, in
    all up to `most`. Kinds by which something lacks (`LACKS`) come alone, up to what stands there.
    """
    D = len(kinds)
    lacks = np.array([kind in LACKS for kind in kinds])
    limit = np.array([LACKS.get(kind, most) for kind in kinds])
    total = rng.random((n, 1))
    mix = rng.exponential(size=(n, D)) * (rng.random((n, D)) < 0.5) * ~lacks
    mix = mix / np.maximum(mix.sum(1, keepdims=True), 1e-9)
    one = limit * np.eye(D)[rng.integers(0, D, n)]
    several = rng.random((n, 1)) < (~lacks).sum() / (D + (~lacks).sum())
    clean = rng.random((n, 1)) < _CLEAN
    amounts: NDArray[np.float64] = np.where(several, most * mix, one) * total * ~clean
    return amounts


def wrong(rows: Rows, ground: Ground, amount: Amount, rng: np.random.Generator) -> Rows:
    """Of `amount` of the notes the pitch is moved by 1 to 6 semitones; a drum becomes another."""
    hit = rng.random(len(rows)) < amount[rows[:, WINDOW]]
    interval = rng.choice(np.delete(np.arange(-6, 7), 6), len(rows))
    drum = ground.is_drum(rows)
    other = (_kit_index(rows) + rng.integers(1, len(_KIT), len(rows))) % len(_KIT)
    moved = np.where(drum, _KIT[other], _within(rows[:, PITCH], interval))
    rows[hit, PITCH] = moved[hit]
    return rows


def dropped(rows: Rows, ground: Ground, amount: Amount, rng: np.random.Generator) -> Rows:
    """`amount` of the notes are left out."""
    return rows[rng.random(len(rows)) >= amount[rows[:, WINDOW]]]


def added(rows: Rows, ground: Ground, amount: Amount, rng: np.random.Generator) -> Rows:
    """For `amount` of the notes another one is put in: somewhere in the same bar and part, at most
    an octave away and at most as long.
    """
    extra = rows[rng.random(len(rows)) < amount[rows[:, WINDOW]]].copy()
    window, bar = extra[:, WINDOW], extra[:, BAR]
    lead, steps = ground.lead[window, bar], ground.steps[window, bar]
    extra[:, POSITION] = 1 + lead + (rng.random(len(extra)) * (steps - lead)).astype(np.int64)
    melodic = _within(extra[:, PITCH], rng.integers(-12, 13, len(extra)))
    drum = _KIT[rng.integers(0, len(_KIT), len(extra))]
    extra[:, PITCH] = np.where(ground.is_drum(extra), drum, melodic)
    extra[:, DURATION] = np.ceil(extra[:, DURATION] * (1 - rng.random(len(extra))))
    return np.concatenate([rows, extra])


def jitter(rows: Rows, ground: Ground, amount: Amount, rng: np.random.Generator) -> Rows:
    """`amount` of the onsets come one cell too early or too late, a third of them two."""
    hit = (rng.random(len(rows)) < amount[rows[:, WINDOW]]) & (rows[:, POSITION] != CARRY)
    by = rng.choice(_NEAR, len(rows))
    window, bar, before = rows[:, WINDOW], rows[:, BAR], rows[:, POSITION]
    low, high = 1 + ground.lead[window, bar], ground.steps[window, bar]
    by = np.where((before + by < low) | (before + by > high), -by, by)
    rows[hit, POSITION] = np.clip(before + by, low, high)[hit]
    return rows


def cut(rows: Rows, ground: Ground, amount: Amount, rng: np.random.Generator) -> Rows:
    """`amount` of the notes end too early, anywhere after their first cell."""
    length = rows[:, DURATION]
    hit = (rng.random(len(rows)) < amount[rows[:, WINDOW]]) & (length > 1)
    shorter = 1 + (rng.random(len(rows)) * (length - 1)).astype(np.int64)
    rows[hit, DURATION] = shorter[hit]
    return rows


def masked(rows: Rows, ground: Ground, amount: Amount, rng: np.random.Generator) -> Rows:
    """`amount` of the bars are silent: nothing begins in them, nothing sounds on into them."""
    silent = rng.random(ground.steps.shape) < amount[:, None]
    return silenced(rows, ground, np.repeat(silent[..., None], len(ground.kinds), axis=2))


def hidden(rows: Rows, ground: Ground, amount: Amount, rng: np.random.Generator) -> Rows:
    """As `masked`; but in every second window each part has silent bars of its own."""
    shape = (*ground.steps.shape, len(ground.kinds))
    together = rng.random((shape[0], 1, 1)) < 0.5
    chance = np.where(together, rng.random((*shape[:2], 1)), rng.random(shape))
    return silenced(rows, ground, chance < amount[:, None, None])


def silenced(rows: Rows, ground: Ground, silent: NDArray[np.bool_]) -> Rows:
    """Without what begins in, or sounds on into, bars in which a part is `silent` `(W, N, R)`."""
    base = ground.base[..., None]
    total = base[:, -1:]
    at = np.where(silent, base[:, :-1], total)
    until = np.concatenate([at, np.broadcast_to(total, (len(at), 1, at.shape[2]))], 1)
    until = np.minimum.accumulate(until[:, ::-1], axis=1)[:, ::-1]
    window, bar, part = rows[:, WINDOW], rows[:, BAR], rows[:, PART]
    rows[:, DURATION] = np.minimum(rows[:, DURATION], until[window, bar, part] - ground.start(rows))
    return rows[~silent[window, bar, part]]


def octave(rows: Rows, ground: Ground, amount: Amount, rng: np.random.Generator) -> Rows:
    """`amount` of the notes lie an octave off, as an overtone is taken for the tone itself."""
    hit = (rng.random(len(rows)) < amount[rows[:, WINDOW]]) & ~ground.is_drum(rows)
    moved = _within(rows[:, PITCH], rng.choice([-12, 12], len(rows)))
    rows[hit, PITCH] = moved[hit]
    return rows


def transcription(rows: Rows, ground: Ground, amount: Amount, rng: np.random.Generator) -> Rows:
    """What writing down a recording gets wrong: of the notes `amount / 2` end too early and
    `amount / 2` begin too early or late, `amount / 3` are missed and as many heard that are not
    there, `amount / 6` lie an octave off.
    """
    for what, share in ((cut, 2), (jitter, 2), (octave, 6), (dropped, 3), (added, 3)):
        rows = what(rows, ground, amount / share, rng)
    return rows


def flat(rows: Rows, ground: Ground, amount: Amount, rng: np.random.Generator) -> Rows:
    """Of `amount` of the notes it is lost how they were played: all equally loud, on the grid."""
    hit = rng.random(len(rows)) < amount[rows[:, WINDOW]]
    rows[hit, VELOCITY], rows[hit, TIMING] = LEVEL, 0
    return rows


def tapped(rows: Rows, ground: Ground, amount: Amount, rng: np.random.Generator) -> Rows:
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
    taps[:, PITCH] = np.where(ground.is_drum(taps), TAP, 60)
    taps[:, DURATION], taps[:, TIMING] = 1, 0
    _, first = np.unique(taps[:, [WINDOW, BAR, POSITION, PART]], axis=0, return_index=True)
    return np.concatenate([rows[~hit], taps[first]])


KINDS: dict[str, Corruption] = {
    "wrong": wrong,
    "dropped": dropped,
    "added": added,
    "jitter": jitter,
    "cut": cut,
    "masked": masked,
    "transcription": transcription,
    "hidden": hidden,
    "flat": flat,
    "tapped": tapped,
}
"""Every corruption by the name a preset gives it."""
LACKS = {"masked": 0.6, "hidden": 0.6, "flat": 1.0, "tapped": 1.0}
"""Kinds that take away some of what notes tell, rather than telling something wrong, and how much
of them there is at most in windows that are learned from.
"""


def _within(pitch: Ints, interval: Ints) -> Ints:
    """Pitches moved by intervals, or by their inversion where that would leave the keyboard."""
    there = pitch + interval
    outside = (there < _LOWEST) | (there > _HIGHEST)
    return np.clip(np.where(outside, pitch - interval, there), _LOWEST, _HIGHEST)


def _kit_index(rows: Rows) -> Ints:
    """The class of each drum note; 0 for what is none."""
    table = np.zeros(128, np.int64)
    table[_KIT] = np.arange(len(_KIT))
    return table[np.clip(rows[:, PITCH], 0, 127)]


def _settled(rows: Rows, ground: Ground, /) -> Rows:
    """Rows as windows have them: in order, none overlapping, none past the end.

    A voice's note ends where its next one begins, other notes where their pitch begins again; of
    those that begin together the one that came last stays.
    """
    start = ground.start(rows)
    voice = np.array([kind == "voice" for kind in ground.kinds])[rows[:, PART]]
    line = rows[:, PART] * 128 + np.where(voice, 0, rows[:, PITCH])
    order = np.lexsort((rows[:, POSITION] != CARRY, start, line, rows[:, WINDOW]))
    rows, start, line = rows[order], start[order], line[order]
    until = ground.base[rows[:, WINDOW], -1]
    follows = (np.diff(rows[:, WINDOW]) == 0) & (np.diff(line) == 0)
    until[:-1][follows] = np.minimum(until[:-1], start[1:])[follows]
    rows[:, DURATION] = np.minimum(rows[:, DURATION], until - start)
    rows = rows[rows[:, DURATION] > 0]
    keys = (rows[:, column] for column in (PITCH, PART, POSITION, BAR, WINDOW))
    return rows[np.lexsort(tuple(keys))]
