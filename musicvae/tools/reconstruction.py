"""How well a model reconstructs songs, measured quickly: to choose a model for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from musicvae.arrays import Ints
from musicvae.latent.codec import Codec
from musicvae.representation.bars import Bars
from musicvae.representation.drums import canonical_pitch
from musicvae.representation.part_traits import find_resolution
from musicvae.song import Song

N_SONGS, N_BARS = 4, 16


def quick_f1(codec: Codec, songs: Sequence[Bars]) -> float:
    """Return the F1 of onsets and pitches over the first bars of some songs.

    Decoded from the means; notes that the model cannot represent are missed. Steps are those of the
    coarsest resolution that has the onsets of the song, so models with a coarser grid lose them.
    At most 16 bars of 4 songs, evenly spread, are used.
    """
    right = total = 0
    chosen = np.linspace(0, len(songs) - 1, min(len(songs), N_SONGS)).astype(np.int64)
    for bars in (songs[i] for i in chosen.tolist()):
        song = _first_bars(bars)
        encoding = codec.encode(song)
        nothing = tuple(part.select(slice(0)) for part in encoding.passthrough)
        encoding = replace(encoding, passthrough=nothing)
        first = Bars.from_song(song)
        resolution = find_resolution(first, first.notes)
        true, made = (_note_ids(each, resolution) for each in (song, codec.decode(encoding)))
        right += len(np.intersect1d(true, made))
        total += len(true) + len(made)
    return 2 * right / total if total else 0.0


def _first_bars(bars: Bars) -> Song:
    """Return a song up to 16 bars after its first note, in the bars that it has."""
    begin = int(bars.notes.bar.min(initial=0))
    stop = min(begin + N_BARS, len(bars))
    notes = bars.notes.select(bars.notes.bar < stop)
    song = replace(bars, notes=notes).to_song()
    end = int(bars.grid.start_ticks[stop - 1] + bars.grid.length_ticks[stop - 1])
    ends = [part.end_ticks for part in song.parts if len(part)]
    return replace(song, end_ticks=max([end, *ends]), has_notated_bars=True)


def _note_ids(song: Song, resolution: int) -> Ints:
    """Return a number for bar, step, part and pitch (drums: class) of each note, sorted."""
    notes = Bars.from_song(song).at(resolution).notes
    is_drum = np.array([part.is_drum for part in song.parts], bool)[notes.part]
    pitch = np.where(is_drum, canonical_pitch(notes.pitch), notes.pitch)
    cell = (notes.bar << 12) + notes.step
    return np.unique((((cell << 10) + notes.part) << 8) + pitch + 1)
