"""Reordering of a song's bars: their meters, tempo and key, and the notes in them."""

from __future__ import annotations

import numpy as np

from musicvae.arrays import Floats, Ints
from musicvae.latent.encoding import Encoding
from musicvae.representation.bars import Bars
from musicvae.representation.key import transpose_fifths
from musicvae.song import KeyMap, Part, resolve_overlaps


def bar_qpm(encoding: Encoding, index: Ints) -> Floats:
    """Return the tempo at the beginning of bars `index` `(n,)`, in quarters per minute. `(n,)`"""
    tempo, start = encoding.bars.header.tempo, encoding.bars.grid.start_ticks
    entry = np.searchsorted(tempo.ticks, start, side="right") - 1
    return np.asarray(tempo.qpm[entry][index])


def reorder_bars(bars: Bars, index: Ints, qpm: Floats, semitones: int) -> Bars:
    """Return bars `index` `(n,)` in this order, without notes, at tempos `qpm` `(n,)`.

    The key signature is the first one, transposed by `semitones`.
    """
    grid = bars.grid
    return Bars.empty(
        bars.header.parts,
        numerator=grid.numerator[index],
        denominator=grid.denominator[index],
        length_ticks=grid.length_ticks[index],
        qpm=qpm,
        ticks_per_quarter=grid.ticks_per_quarter,
        steps_per_quarter=grid.steps_per_quarter,
        key=initial_key(bars, semitones),
    )


def initial_key(bars: Bars, semitones: int = 0) -> KeyMap:
    """Return the first key signature, if any, transposed by `semitones`."""
    key = bars.header.key
    fifths = key.fifths[:1]
    if semitones:
        fifths = transpose_fifths(fifths, semitones)
    return KeyMap(ticks=key.ticks[:1] * 0, fifths=fifths, minor=key.minor[:1])


def transpose_part(part: Part, semitones: int) -> Part:
    """Transpose a part; pitches out of range move by an octave, drums stay unchanged."""
    if part.is_drum or not semitones or not len(part):
        return part
    pitch = part.pitch + semitones
    pitch = np.where(pitch < 0, pitch + 12, np.where(pitch > 127, pitch - 12, pitch))
    columns = (part.onset_ticks, part.duration_ticks, pitch)
    keep, duration, _ = resolve_overlaps(*columns)
    onset, pitch, velocity = (c[keep] for c in (part.onset_ticks, pitch, part.velocity))
    return part.with_notes(onset, duration[keep], pitch, velocity)


def copy_notes(part: Part, before: Bars, index: Ints, after: Bars) -> Part:
    """Copy the notes of bars of `before` to bars of `after`, cut at the end of the song.

    `index` gives the bar of `before` for each bar of `after`, -1 for none. Notes that would begin
    past the end of their new bar are dropped.
    """
    old, new = before.grid.start_ticks, after.grid.start_ticks
    scale = after.grid.ticks_per_quarter / before.grid.ticks_per_quarter
    bar = np.searchsorted(old, part.onset_ticks, side="right") - 1
    copies = [part.select(bar == source) for source in index.tolist()]
    nth = np.repeat(np.arange(len(index)), [len(copy) for copy in copies])
    onset, duration, pitch, velocity = (
        np.concatenate([np.zeros(0, np.int64), *(getattr(copy, name) for copy in copies)])
        for name in ("onset_ticks", "duration_ticks", "pitch", "velocity")
    )
    offset = np.round((onset - old[index[nth]]) * scale).astype(np.int64)
    duration = np.maximum(np.round(duration * scale).astype(np.int64), 1)
    onset, end = new[nth] + offset, after.header.end_ticks
    inside = (offset < after.grid.length_ticks[nth]) & (onset < end)
    duration = np.minimum(duration, end - onset)
    keep, duration, _ = resolve_overlaps(onset[inside], duration[inside], pitch[inside])
    columns = (onset[inside], pitch[inside], velocity[inside])
    onset, pitch, velocity = (column[keep] for column in columns)
    return part.with_notes(onset, duration[keep], pitch, velocity)
