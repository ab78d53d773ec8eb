"""Swing as it is played: by bar lines, in pickups, and not in compound meters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from musicvae import Song
from musicvae.io import midi
from musicvae.representation.performance import performed
from musicvae.song import MeterMap, Part
from musicvae.swing import SIXTEENTHS, Swing


def eighths(n: int, **more: object) -> Song:
    onset = np.arange(n) * 240
    part = Part.empty("melody").with_notes(onset, np.full(n, 240), onset * 0 + 60, onset * 0 + 80)
    return replace(Song.new([part], end_ticks=n * 240), swing=Swing(2.0), **more)


def onsets(song: Song) -> list[int]:
    return performed(song).parts[0].onset_ticks.tolist()


def test_second_eighths_are_late() -> None:
    song = eighths(8)
    played = performed(song)
    assert onsets(song) == [0, 320, 480, 800, 960, 1280, 1440, 1760]
    assert played.parts[0].duration_ticks.tolist() == [320, 160] * 4
    assert played.swing is None and performed(played) is played
    assert played.end_ticks == song.end_ticks
    assert midi.from_bytes(midi.to_bytes(song)).parts == played.parts


def test_sixteenths() -> None:
    song = replace(eighths(4), swing=Swing(3.0, SIXTEENTHS))
    assert onsets(song) == [0, 240, 480, 720]
    part = song.parts[0]
    fast = replace(song, parts=(part.with_notes([120, 360], [60, 60], [60, 60], [80, 80]),))
    assert onsets(fast) == [180, 420]


def test_pairs_of_a_pickup_are_counted_from_its_end() -> None:
    meter = MeterMap(ticks=[0, 240], numerator=[1, 4], denominator=[8, 4])
    assert onsets(eighths(5, meter=meter)) == [0, 240, 560, 720, 1040]
    longer = MeterMap(ticks=[0, 720], numerator=[3, 4], denominator=[8, 4])
    assert onsets(eighths(5, meter=longer)) == [0, 240, 560, 720, 1040]


@pytest.mark.parametrize("meter", [(6, 8), (12, 8)])
def test_compound_meters_are_not_swung(meter: tuple[int, int]) -> None:
    song = eighths(12, meter=MeterMap.constant(*meter))
    assert onsets(song) == [240 * i for i in range(12)]


def test_eighth_that_no_pair_holds_stays() -> None:
    song = eighths(14, meter=MeterMap.constant(7, 8))
    assert onsets(song)[:8] == [0, 320, 480, 800, 960, 1280, 1440, 1680]
