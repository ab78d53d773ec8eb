"""The ten attributes of windows that steering can change.

Measured on a `NoteTable`, on the grid of the preset, with pitches in the common key, as a model
encodes and decodes them. Unless stated otherwise only onsets count: a note carried in belongs to
the previous window.

Shapes: W windows, R parts, A attributes, M notes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from musicvae.arrays import Floats, group_mean
from musicvae.attributes.measures import (
    cell_mean,
    consecutive_bar_f1,
    is_pitched,
    mean_polyphony,
    onset_counts,
    pitch_extent,
)
from musicvae.attributes.metrical_weight import metrical_weights
from musicvae.representation.key import MAJOR_SCALE_MASK
from musicvae.representation.note_table import PART, PITCH, VELOCITY, WINDOW, NoteTable

# Probe-tone ratings of Krumhansl and Kessler (1982) by pitch class, of C major and of A minor.
_MAJOR_PROFILE = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
_MINOR_PROFILE = np.roll(
    [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17], 9
)


@dataclass(frozen=True)
class Attribute:
    """Definition of an attribute."""

    unit: str
    formula: str
    """In words, with the source if there is one."""
    measure: Callable[[NoteTable, Sequence[str]], Floats]
    """Maps a table and the preset's meter names to a value for each window `(W,)`, or nan."""
    range: tuple[float, float] = (-np.inf, np.inf)
    """Smallest and largest possible value."""


def window_attributes(
    table: NoteTable, meters: Sequence[str] = (), names: Sequence[str] | None = None
) -> Floats:
    """Return attributes of each window, nan where undefined. `(W, A)`

    Args:
        table: notes of the windows.
        meters: names of the table's meters 1, 2, ...; others have a quarter beat.
        names: attributes, in this order; all by default.
    """
    chosen = [ATTRIBUTES[name] for name in (ATTRIBUTES if names is None else names)]
    return np.stack([each.measure(table, meters) for each in chosen], axis=1)


def unavailable_attributes(
    part_kinds: Sequence[str], *, bars: int, velocity: bool
) -> dict[str, str]:
    """Return the attributes that such windows cannot have, with the reasons.

    Args:
        part_kinds: `voice`, `chords` or `drums` of each part.
        bars: of a window.
        velocity: whether the model has velocities.
    """
    pitched = any(kind != "drums" for kind in part_kinds)
    reasons = {}
    if not pitched:
        for name in ("range", "register", "mode", "chromaticism"):
            reasons[name] = "drums have no pitch"
        reasons["note_length"] = "drum hits have no length"
    if pitched and "chords" not in part_kinds:
        reasons["polyphony"] = "its parts are monophonic, and which of them sound is given"
    if not velocity:
        reasons["velocity"] = "it does not model velocity"
    if bars < 2:
        reasons["repetition"] = "its windows have one bar"
    return reasons


def _density(table: NoteTable, meters: Sequence[str]) -> Floats:
    quarters = np.diff(table.window_end, prepend=0) / table.steps_per_quarter
    return np.where(quarters > 0, onset_counts(table) / np.maximum(quarters, 1e-9), np.nan)


def _range(table: NoteTable, meters: Sequence[str]) -> Floats:
    W, R, rows = len(table), len(table.part_kinds), table.rows[is_pitched(table) & table.is_onset]
    part = rows[:, WINDOW] * R + rows[:, PART]
    low, high = pitch_extent(rows[:, PITCH], part, W * R)
    several = np.flatnonzero(np.bincount(part, minlength=W * R) > 1)
    return group_mean((high - low)[several], several // R, W)


def _register(table: NoteTable, meters: Sequence[str]) -> Floats:
    rows = table.rows[is_pitched(table) & table.is_onset]
    return group_mean(rows[:, PITCH], rows[:, WINDOW], len(table))


def _syncopation(table: NoteTable, meters: Sequence[str]) -> Floats:
    weights = metrical_weights(table, meters)
    syncopation, window = [np.zeros(0)], [np.zeros(0, np.int64)]
    for part in range(len(table.part_kinds)):
        moment = np.unique(table.start[table.is_onset & (table.rows[:, PART] == part)])
        if not len(moment):
            continue
        edges = np.union1d(moment, table.window_end[:-1])
        edges = edges[edges < len(weights)]
        passed = np.maximum.reduceat(weights, edges)[np.searchsorted(edges, moment)]
        syncopation.append(passed - weights[moment])
        window.append(np.searchsorted(table.window_end, moment, side="right"))
    return group_mean(np.concatenate(syncopation), np.concatenate(window), len(table))


def _polyphony(table: NoteTable, meters: Sequence[str]) -> Floats:
    if table.is_drums.all():
        hits = np.bincount(table.start[table.is_onset], minlength=table.n_cells)
        return cell_mean(hits, table)
    return mean_polyphony(table)


def _note_length(table: NoteTable, meters: Sequence[str]) -> Floats:
    W, R, on = len(table), len(table.part_kinds), is_pitched(table) & table.is_onset
    window, part = table.rows[on][:, [WINDOW, PART]].T
    start, length = table.start[on], (table.stop - table.start)[on].astype(float)
    far = table.n_cells + 1
    moment = (window * R + part) * far + start
    every = np.unique(moment)
    after = np.append(every, -1)[np.searchsorted(every, moment, side="right")]
    gap = np.where(after // far == moment // far, after % far, table.window_end[window]) - start
    squares, plain, gaps = (group_mean(x, window, W) for x in (length**2, length, gap))
    return squares / plain / gaps


def _velocity(table: NoteTable, meters: Sequence[str]) -> Floats:
    rows = table.rows[table.is_onset]
    return group_mean(rows[:, VELOCITY], rows[:, WINDOW], len(table))


def _mode(table: NoteTable, meters: Sequence[str]) -> Floats:
    which = is_pitched(table)
    length = (table.stop - table.start)[which].astype(float)
    place = table.rows[which, WINDOW] * 12 + table.rows[which, PITCH] % 12
    classes = np.bincount(place, weights=length, minlength=len(table) * 12).reshape(-1, 12)
    off = classes - classes.mean(1, keepdims=True)
    norm = np.linalg.norm(off, axis=1)

    def correlation(profile: Floats) -> Floats:
        centered = profile - profile.mean()
        return off @ (centered / np.linalg.norm(centered)) / np.maximum(norm, 1e-9)

    return np.where(norm > 0, correlation(_MAJOR_PROFILE) - correlation(_MINOR_PROFILE), np.nan)


def _chromaticism(table: NoteTable, meters: Sequence[str]) -> Floats:
    rows = table.rows[is_pitched(table) & table.is_onset]
    return group_mean(~MAJOR_SCALE_MASK[rows[:, PITCH] % 12], rows[:, WINDOW], len(table))


def _repetition(table: NoteTable, meters: Sequence[str]) -> Floats:
    rhythm, notes = (consecutive_bar_f1(table, pitches=pitches) for pitches in (False, True))
    W, pairs = rhythm.shape
    return group_mean((rhythm + notes).ravel() / 2, np.repeat(np.arange(W), pairs), W)


ATTRIBUTES = {
    "density": Attribute(
        "onsets a quarter", "onsets of all parts / quarters of unmasked bars", _density, (0, np.inf)
    ),
    "range": Attribute(
        "semitones",
        "highest minus lowest onset of a part, mean over pitched parts",
        _range,
        (0, np.inf),
    ),
    "register": Attribute("semitones", "mean MIDI pitch of onsets in the common key", _register),
    "syncopation": Attribute(
        "levels",
        "mean over onsets of the difference between the strongest metrical weight before the next "
        "onset of the part and the weight of the onset (after Longuet-Higgins and Lee 1984)",
        _syncopation,
        (0, np.inf),
    ),
    "polyphony": Attribute(
        "notes",
        "mean number of notes sounding at once, rests left out; for drums, simultaneous hits",
        _polyphony,
        (1, np.inf),
    ),
    "note_length": Attribute(
        "gaps",
        "mean note length weighted by length (sum of squares / sum) / mean time from an onset to "
        "the next of its part; the plain mean length is the reciprocal of density in a line "
        "without rests",
        _note_length,
        (0, np.inf),
    ),
    "velocity": Attribute("MIDI velocity", "mean of onsets", _velocity, (1, 127)),
    "mode": Attribute(
        "correlation",
        "correlation of sounding pitch classes with the profile of the key's major scale minus "
        "that with its relative minor's (Krumhansl and Kessler 1982)",
        _mode,
    ),
    "chromaticism": Attribute(
        "share", "onsets outside the major scale of the piece", _chromaticism, (0, 1)
    ),
    "repetition": Attribute(
        "F1",
        "similarity of each bar and the next: mean of F1 over (step, part) and over (step, part, "
        "pitch)",
        _repetition,
        (0, 1),
    ),
}
"""The attributes by name."""
