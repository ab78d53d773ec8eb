"""Reduction of drum kits to nine classes, and back to General MIDI."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from musicvae.io import read
from musicvae.representation.drums import (
    DRUM_CLASSES,
    GM_PERCUSSION,
    KIT_PITCHES,
    NO_CLASS,
    ROLAND_KIT_PITCHES,
    canonical_pitch,
    class_to_pitch,
    markdown_table,
    pitch_to_class,
)

ROOT = Path(__file__).parents[2]
GROOVE = ROOT.parent / "shared" / "data" / "groove"


def test_canonical_pitches_round_trip() -> None:
    pitches = [pitch for _, pitch in DRUM_CLASSES]
    assert pitch_to_class(pitches).tolist() == list(range(9))
    assert class_to_pitch(pitch_to_class(pitches)).tolist() == pitches
    assert class_to_pitch([]).tolist() == []


def test_every_general_midi_pitch_is_known() -> None:
    assert set(range(27, 88)) <= set(GM_PERCUSSION)
    index = pitch_to_class(np.arange(128))
    assert {int(p) for p in np.flatnonzero(index == NO_CLASS)} == {
        *range(22), 23, 24, 71, 72, *range(88, 128),
    }  # fmt: skip
    assert canonical_pitch([71, 100]).tolist() == [NO_CLASS, NO_CLASS]


def test_canonical_pitch_is_idempotent_and_keeps_the_shape() -> None:
    known = np.array(sorted(p for p, (_, c) in GM_PERCUSSION.items() if c != NO_CLASS)).reshape(
        2, -1
    )
    once = canonical_pitch(known)
    assert once.shape == known.shape
    assert np.array_equal(canonical_pitch(once), once)


@pytest.mark.parametrize(
    ("pitch", "name"),
    [
        (35, "kick"), (40, "snare"), (37, "snare"), (39, "snare"), (22, "closed hi-hat"),
        (44, "closed hi-hat"), (26, "open hi-hat"), (41, "low tom"), (58, "low tom"),
        (45, "mid tom"), (48, "high tom"), (55, "crash"), (52, "crash"), (57, "crash"),
        (53, "ride"), (59, "ride"), (64, "low tom"), (60, "high tom"), (70, "closed hi-hat"),
    ],
)  # fmt: skip
def test_class_of_instruments(pitch: int, name: str) -> None:
    assert DRUM_CLASSES[int(pitch_to_class(pitch))][0] == name


def test_documented_table_is_current() -> None:
    assert markdown_table() in (ROOT / "docs" / "drums.md").read_text("utf-8")


def test_every_pitch_of_the_groove_dataset_has_a_class() -> None:
    if not GROOVE.is_dir():
        pytest.skip("the Groove MIDI Dataset is not available")
    takes = sorted(GROOVE.rglob("*.mid"))
    count = np.zeros(128, np.int64)
    for take in takes[::5]:
        for part in read(take).parts:
            assert part.is_drum
            count += np.bincount(part.pitch, minlength=128)
    unmapped = np.flatnonzero((count > 0) & (pitch_to_class(np.arange(128)) == NO_CLASS))
    assert count.sum() > 50_000
    assert unmapped.tolist() == []


def test_kit_pitches_are_the_kit_of_general_midi() -> None:
    assert {54, 56, 58}.isdisjoint(KIT_PITCHES) and {35, 42, 49, 59} <= set(KIT_PITCHES)
    assert set(KIT_PITCHES) | set(ROLAND_KIT_PITCHES) <= set(GM_PERCUSSION)
