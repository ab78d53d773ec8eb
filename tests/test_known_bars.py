"""Songs with known bars, by which bar-line estimation is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments.downbeats import known_bars
from musicvae import io
from musicvae.song import KeyMap, MeterMap, Part, Song, TempoMap


def test_scores_are_judged_as_midi_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onsets = np.arange(32) * 480
    part = Part(
        onset_ticks=onsets,
        duration_ticks=np.full(32, 480),
        pitch=60 + np.arange(32) % 5,
        velocity=np.full(32, 80),
    )
    song = Song(
        ticks_per_quarter=480,
        parts=(part,),
        tempo=TempoMap.constant(120),
        meter=MeterMap.constant(4, 4),
        key=KeyMap.none(),
    )
    path = tmp_path / "song.musicxml"
    io.write(song, path)
    monkeypatch.setattr(known_bars, "_files", lambda corpus: iter([("song", path)]))
    (one,) = known_bars.known("lieder")
    assert len(one.song.parts[0]) == 32
    assert not one.song.has_notated_bars
    corrupted = known_bars.corrupt_known(one, "offset")
    assert corrupted is not None
    assert not corrupted[0].has_notated_bars
