"""A part that plays the chords of a song, as block chords."""

from __future__ import annotations

import numpy as np

from musicvae.chords import QUALITIES, Chord
from musicvae.chords.spelling import degree_fifths, degree_number, pitch_class
from musicvae.song import Part, Song

CHORD_TRACK_NAME = "Chords"
_LOWEST_BASS, _LOWEST_ROOT = 36, 48
_VELOCITY = 64
_MAX_DEGREE_IN_OCTAVE = 7


def voicing(chord: Chord) -> list[int]:
    """Return MIDI pitches of a chord, sorted: its bass below, then its tones from the root up.

    Ninths and what lies above are in the second octave. No chord has no pitches.
    """
    if not chord.quality:
        return []
    root = _LOWEST_ROOT + pitch_class(chord.root)
    pitches = {_LOWEST_BASS + pitch_class(chord.bass)}
    for degree in QUALITIES[chord.quality].degrees:
        is_above = degree_number(degree) > _MAX_DEGREE_IN_OCTAVE
        pitches.add(root + pitch_class(degree_fifths(degree)) + 12 * is_above)
    return sorted(pitches)


def chord_track(song: Song) -> Part:
    """Return a part with the chords of a song, each held until the next one or the end."""
    chords = song.chords.simplified()
    ends = np.append(chords.ticks[1:], song.end_ticks)
    notes = [
        (tick, end - tick, pitch, _VELOCITY)
        for tick, end, chord in zip(
            chords.ticks.tolist(), ends.tolist(), chords.chords, strict=False
        )
        if end > tick
        for pitch in voicing(chord)
    ]
    columns = np.array(notes, np.int64).reshape(-1, 4).T
    return Part.empty(CHORD_TRACK_NAME).with_notes(*columns)
