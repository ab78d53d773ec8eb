"""Floor 6: bars taken from a song in another order: their meters, tempo and key, their notes."""

from __future__ import annotations

import numpy as np

from musicvae.arrays import Floats, Ints
from musicvae.latent.encoding import Encoding
from musicvae.representation.bars import Bars
from musicvae.song import KeyMap, Part, resolve_overlaps


def bar_qpm(end: Encoding, index: Ints) -> Floats:
    """The tempo that holds as each of these bars begins, in quarters a minute. `(n,)`"""
    tempo, start = end.bars.header.tempo, end.bars.grid.start_ticks
    entry = np.searchsorted(tempo.ticks, start, side="right") - 1
    return np.asarray(tempo.qpm[entry][index])


def reorder_bars(bars: Bars, index: Ints, qpm: Floats, semitones: int) -> Bars:
    """The frame of these bars, in this order, at these tempos, in the key of the beginning moved
    by so many semitones.
    """
    grid = bars.grid
    return Bars.blank(
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
    """The key signature that a song begins with, if any, moved by so many semitones."""
    key = bars.header.key
    fifths = key.fifths[:1]
    if semitones:
        fifths = (fifths + 7 * semitones + 6) % 12 - 6
    return KeyMap(ticks=key.ticks[:1] * 0, fifths=fifths, minor=key.minor[:1])


def transpose_part(part: Part, semitones: int) -> Part:
    """A part moved by semitones, by octaves less where it would leave the range; drums stay."""
    if part.is_drum or not semitones or not len(part):
        return part
    pitch = part.pitch + semitones
    pitch = np.where(pitch < 0, pitch + 12, np.where(pitch > 127, pitch - 12, pitch))
    columns = (part.onset_ticks, part.duration_ticks, pitch)
    keep, duration, _ = resolve_overlaps(*columns)
    onset, pitch, velocity = (c[keep] for c in (part.onset_ticks, pitch, part.velocity))
    return part.with_notes(onset, duration[keep], pitch, velocity)


def copy_notes(part: Part, before: Bars, index: Ints, after: Bars) -> Part:
    """Notes copied to wherever their bar went, cut where the piece ends.

    `index` says which bar of `before` stands for each bar of `after`, -1 for none; notes that
    begin past the end of the bar that takes its place are left out.
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
    late = np.round((onset - old[index[nth]]) * scale).astype(np.int64)
    duration = np.maximum(np.round(duration * scale).astype(np.int64), 1)
    onset, end = new[nth] + late, after.header.end_ticks
    inside = (late < after.grid.length_ticks[nth]) & (onset < end)
    duration = np.minimum(duration, end - onset)
    keep, duration, _ = resolve_overlaps(onset[inside], duration[inside], pitch[inside])
    columns = (onset[inside], pitch[inside], velocity[inside])
    onset, pitch, velocity = (column[keep] for column in columns)
    return part.with_notes(onset, duration[keep], pitch, velocity)
