"""The part that plays the chords of a song."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from musicvae.chords import Chord, ChordMap, parse_symbol
from musicvae.representation.chord_track import chord_track, voicing
from musicvae.song import Song
from support.strategies import chords


def chord(symbol: str) -> Chord:
    parsed = parse_symbol(symbol)
    assert parsed
    return parsed[0]


@given(chords())
def test_voicing_has_the_pitch_classes_of_the_chord_over_its_bass(chord: Chord) -> None:
    pitches = voicing(chord)
    assert {pitch % 12 for pitch in pitches} == set(chord.pitch_classes)
    assert not pitches or (pitches[0] % 12, pitches[0] < 48) == (7 * chord.bass % 12, True)


def test_chords_are_held_until_the_next_one() -> None:
    entries = [(0, chord("C")), (480, chord("N.C.")), (960, chord("G7/B")), (1440, chord("G7/B"))]
    song = replace(Song.new(end_ticks=1920), chords=ChordMap.from_chords(entries))
    part = chord_track(song)
    columns = (part.onset_ticks.tolist(), part.duration_ticks.tolist(), part.pitch.tolist())
    notes = list(zip(*columns, strict=True))
    assert notes == [
        *((0, 480, pitch) for pitch in (36, 48, 52, 55)),
        *((960, 960, pitch) for pitch in (47, 55, 59, 62, 65)),
    ]
    assert not len(chord_track(Song.new(end_ticks=1920)))
