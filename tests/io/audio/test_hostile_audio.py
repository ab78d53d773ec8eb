"""Recordings and SoundFonts from anywhere: one line of error, whatever they hold."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicvae.errors import ReadError
from musicvae.io import midi, transcription
from musicvae.io.audio import load, synth, synth_process
from musicvae.io.audio.synth import SYNTHESIZERS, SoundFont, default_soundfont
from support.songs import small_chorale


def recording(samples: np.ndarray, rate: int = 16_000) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV", subtype="FLOAT")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (recording(np.full(20_000, 1e38)), "samples beyond 1e\\+06"),
        (recording(np.full((20_000, 2), -1e20)), "samples beyond 1e\\+06"),
        (recording(np.full(20_000, np.nan)), "NaN or inf"),
        (recording(np.full(20_000, np.inf)), "NaN or inf"),
        (recording(np.zeros(20_000)), "silence"),
        (recording(np.zeros(1)), "too short"),
        (recording(np.zeros(20_000), rate=1), "channels at 1 Hz"),
        (recording(np.zeros(20_000), rate=10_000_000), "channels at 10000000 Hz"),
        (recording(np.zeros((9_000, 100))), "100 channels"),
    ],
    ids=["loud", "loud stereo", "nan", "inf", "silent", "short", "slow", "fast", "channels"],
)
def test_recordings_are_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=reason):
        transcription.read_bytes(content, "a.wav")
    if "short" in reason or "silence" in reason:
        return
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=reason):
        load.load_channels(path)


def test_number_of_samples_is_counted_not_believed(monkeypatch, tmp_path: Path) -> None:
    content = bytearray(recording(np.zeros(20_000)))
    at = content.find(b"data") + 4
    content[at : at + 4] = (2**31 - 1).to_bytes(4, "little")
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    samples, _ = load.load_channels(path)
    assert len(samples) == 20_000
    monkeypatch.setattr(load, "MAX_RECORDING_SAMPLES", 10_000)
    with pytest.raises(ReadError, match="minutes of audio at 16000 Hz"):
        load.load_channels(path)


@pytest.mark.parametrize("at", ["phdr", "inst", "shdr"])
def test_damaged_soundfont_is_refused_or_played(at: str, tmp_path: Path) -> None:
    content = bytearray(default_soundfont().read_bytes())
    table = content.rfind(at.encode()) + 8
    content[table + 20 : table + 4000] = b"\xff" * 3980  # indices beyond all tables
    path = tmp_path / "bad.sf2"
    path.write_bytes(content)
    try:
        samples = SYNTHESIZERS["midirenderer"].play(
            midi.to_bytes(small_chorale(bars=1)), SoundFont.load(path), duration_s=10.0
        )
    except ReadError as error:
        assert "bad.sf2: the synthesizer cannot use it" in str(error)
        assert "\n" not in str(error)
    else:
        assert np.isfinite(samples).all()


def test_foreign_soundfont_sounds_as_the_same_one_at_home(tmp_path: Path) -> None:
    path = tmp_path / "copy.sf2"
    path.write_bytes(default_soundfont().read_bytes())
    content = midi.to_bytes(small_chorale(bars=1))
    here = SYNTHESIZERS["midirenderer"].play(content, SoundFont.load())
    apart = SYNTHESIZERS["midirenderer"].play(content, SoundFont.load(path), duration_s=10.0)
    assert np.array_equal(here, apart)


def test_soundfont_is_read_where_it_is_played(monkeypatch, tmp_path: Path) -> None:
    path = tmp_path / "copy.sf2"
    path.write_bytes(default_soundfont().read_bytes())
    monkeypatch.setattr(synth, "_read_cached", lambda *_: pytest.fail("read in this process"))
    font, song = SoundFont.load(path), midi.to_bytes(small_chorale(bars=1))
    assert len(SYNTHESIZERS["midirenderer"].play(song, font, duration_s=10.0))
    path.unlink()
    with pytest.raises(ReadError, match=r"copy.sf2: SoundFont: no such file"):
        _ = font.content


def test_synthesizer_that_takes_too_long_is_killed(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(synth_process, "BOOT_CODE", "import time; time.sleep(600)")
    monkeypatch.setattr(synth_process, "START_S", 0.5)
    path = tmp_path / "copy.sf2"
    path.write_bytes(default_soundfont().read_bytes())
    with pytest.raises(ReadError, match="it took longer than"):
        SYNTHESIZERS["midirenderer"].play(b"", SoundFont.load(path), duration_s=0.0)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"x" * 100, b"RIFF\4\0\0\0WAVE"])
def test_other_files_are_no_soundfonts(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.sf2"
    path.write_bytes(content)
    with pytest.raises(ReadError, match="not a SoundFont"):
        SoundFont.load(path)
    with pytest.raises(ReadError, match="not a regular file"):
        SoundFont.load(tmp_path)
