"""Rendering: duration, peak level, formats and errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicvae.errors import ConfigError, ReadError, WriteError
from musicvae.io.audio import render
from musicvae.io.audio.loudness import (
    PEAK_CEILING,
    limit_peaks,
    measure_loudness,
    normalize_loudness,
)
from musicvae.song import Song
from support.songs import part_on_grid, small_band, small_chorale


def peak_level(samples: render.Samples, begin_s: float, end_s: float, rate: int) -> float:
    return float(np.abs(samples[round(begin_s * rate) : round(end_s * rate)]).max())


def one_note(velocity: int = 100, end_ticks: int = 0, program: int = 48) -> Song:
    return Song.new(
        [part_on_grid([(0, 48, 60, velocity)], 20, program=program)], end_ticks=end_ticks
    )


@pytest.mark.parametrize("song", [small_chorale(bars=2), small_band()], ids=["chorale", "band"])
def test_render_has_the_length_of_the_song_and_a_tail(song: Song) -> None:
    samples, rate = render.render(song)
    assert samples.dtype == np.float32
    assert samples.shape[1] == 2
    assert np.isfinite(samples).all()
    tail_s = len(samples) / rate - song.duration_s
    assert 0.49 < tail_s < 4.1
    assert np.abs(samples).max() <= 10 ** (-1 / 20) + 1e-6
    assert measure_loudness(samples, rate) == pytest.approx(-18, abs=0.5)
    assert np.abs(samples[-1]).max() < 1e-4
    assert peak_level(samples, 0, 0.5, rate) > 0.1


def test_render_is_deterministic() -> None:
    one, other = (render.render(one_note())[0] for _ in range(2))
    assert np.array_equal(one, other)


def test_leading_and_trailing_silence_are_kept() -> None:
    silent, rate = render.render(one_note(end_ticks=480 * 16))
    assert len(silent) / rate >= 8.5
    assert peak_level(silent, 6, 8, rate) < 1e-3
    late = Song.new([part_on_grid([(24 * 8, 24, 60, 100)], 20)])
    samples, _ = render.render(late)
    assert peak_level(samples, 0, 3.9, rate) < 1e-3
    assert peak_level(samples, 4, 4.5, rate) > 0.1


def test_tail_decays_smoothly() -> None:
    samples, rate = render.render(one_note())
    assert peak_level(samples, 1.0, 1.1, rate) > 0.01  # the strings ring on past their note
    assert np.abs(np.diff(samples[-2400:, 0])).max() < 0.01


@pytest.mark.parametrize("velocity", [1, 5, 30, 127])
def test_quiet_songs_are_audible(velocity: int) -> None:
    samples, rate = render.render(one_note(velocity))
    assert peak_level(samples, 0, 1, rate) > 0.1


def test_loud_songs_do_not_clip() -> None:
    every = [(0, 96, pitch, 127) for pitch in range(30, 100)]
    song = Song.new([part_on_grid(every, 20, program=p, name=str(p)) for p in range(0, 96, 8)])
    samples, _ = render.render(song, render.RenderOptions(lufs=-8))
    peak = np.abs(samples).max()
    assert peak < 0.9
    assert (np.abs(samples) > 0.999 * peak).mean() < 1e-3


def test_programs_and_drums_differ() -> None:
    strings, _ = render.render(one_note(program=48))
    organ, _ = render.render(one_note(program=16))
    kit, _ = render.render(Song.new([part_on_grid([(0, 48, 60, 100)], 20, is_drum=True)]))
    size = 24_000
    assert not np.allclose(strings[:size], organ[:size], atol=0.05)
    assert not np.allclose(strings[:size], kit[:size], atol=0.05)


def test_song_without_notes_is_silence() -> None:
    samples, rate = render.render(Song.new(end_ticks=960))
    assert len(samples) == round(1.5 * rate)
    assert not samples.any()


@pytest.mark.parametrize("suffix", render.AUDIO_SUFFIXES)
def test_suffix_selects_the_file_format(tmp_path: Path, suffix: str) -> None:
    song = one_note()
    path = render.write_audio(song, tmp_path / "new" / f"a{suffix.upper()}")
    info = soundfile.info(path)
    assert info.format == suffix[1:].upper()
    assert (info.channels, info.samplerate) == (2, 48_000)
    expected, rate = render.render(song)
    assert info.frames == pytest.approx(len(expected), abs=2048)
    read, _ = soundfile.read(path)
    assert np.abs(read).max() > 0.1
    if suffix != ".ogg":
        assert np.abs(read - expected).max() < 1e-4
    assert rate == 48_000
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_errors_are_typed(tmp_path: Path) -> None:
    (tmp_path / "bad.sf2").write_bytes(b"RIFFnonsense")
    (tmp_path / "file").write_text("in the way")
    for make, error, message in (
        ("a.mp4", WriteError, "no audio format .mp4; use .wav, .flac, .ogg"),
        ("a", WriteError, "without a suffix"),
        ("file/a.wav", WriteError, "choose another place"),
    ):
        with pytest.raises(error, match=message):
            render.write_audio(one_note(), tmp_path / make)
    with pytest.raises(ReadError, match="SoundFont: no such file"):
        render.render(one_note(), render.RenderOptions(soundfont=tmp_path / "none.sf2"))
    with pytest.raises(ReadError, match="not a SoundFont"):
        render.render(one_note(), render.RenderOptions(soundfont=tmp_path / "bad.sf2"))
    with pytest.raises(WriteError, match="hours of audio"):
        render.render(Song.new(end_ticks=960 * 3600 * 4))
    assert not list(tmp_path.glob("*.wav"))


def tone(seconds: float, level: float, hz: float = 997.0, rate: int = 48_000) -> render.Samples:
    wave = level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)
    return np.stack([wave, wave], axis=1).astype(np.float32)


def test_loudness_agrees_with_the_standard() -> None:
    # A sine of 997 Hz at -20 dBFS in one channel measures -23.0 LUFS (EBU Tech 3341), in two -20.
    assert measure_loudness(tone(5, 0.1), 48_000) == pytest.approx(-20.0, abs=0.1)
    assert measure_loudness(tone(0.2, 0.1), 48_000) > -26  # shorter than a block
    assert measure_loudness(np.zeros((48_000, 2), np.float32), 48_000) == -np.inf


@pytest.mark.parametrize("lufs", [-30.0, -18.0, -10.0])
def test_normalized_loudness_without_clipping(lufs: float) -> None:
    clicks = tone(10, 0.01)
    clicks[::24_000] = 0.9  # peaks far above the loudness
    limited, _ = normalize_loudness(clicks, 48_000, lufs)
    assert measure_loudness(limited, 48_000) == pytest.approx(lufs, abs=0.5)
    assert np.abs(limited).max() <= PEAK_CEILING + 1e-6


def test_limiter_is_transparent_below_the_ceiling_and_smooth() -> None:
    quiet = tone(1, 0.5)
    assert np.array_equal(limit_peaks(quiet, 48_000), quiet)
    loud = tone(3, 0.5)
    loud[48_000:96_000] *= 3
    limited = limit_peaks(loud, 48_000)
    assert np.abs(limited).max() <= PEAK_CEILING + 1e-6
    assert np.allclose(limited[:40_000], loud[:40_000])
    gain = np.abs(limited[:, 0]) / np.maximum(np.abs(loud[:, 0]), 1e-3)
    assert np.abs(np.diff(gain[np.abs(loud[:, 0]) > 0.3])).max() < 0.02


@pytest.mark.parametrize("rate", [22_050, 44_100])
def test_sample_rate_option(rate: int) -> None:
    samples, found = render.render(one_note(end_ticks=960), render.RenderOptions(rate=rate))
    default, _ = render.render(one_note(end_ticks=960))
    assert found == rate
    assert len(samples) / rate == pytest.approx(len(default) / 48_000, abs=0.15)


def test_options_out_of_range_are_rejected() -> None:
    for values, words in (
        ({"lufs": 3.0}, "LUFS"),
        ({"rate": 100}, "rate"),
    ):
        with pytest.raises(ConfigError, match=words):
            render.RenderOptions(**values)
    with pytest.raises(ConfigError, match="no synthesizer 'harp'"):
        render.render(one_note(), render.RenderOptions(synthesizer="harp"))


def test_parts_beyond_fifteen_sound_alike_in_stems_and_mix() -> None:
    programs = (16, 0, 16, 0, 16, 0, 16, 0, 16, 0, 16, 0, 16, 0, 16, 73, 56)
    parts = [
        part_on_grid([(12 * i, 12, 48 + i, 60)], 20, program=p) for i, p in enumerate(programs)
    ]
    mix, stems, _ = render.render_stems(Song.new(parts))
    total = np.sum(list(stems.values()), axis=0)
    assert len(stems) == 17
    assert np.abs(mix - total).max() < 0.02 * np.abs(total).max()
    _, first, _ = render.render_stems(Song.new(parts[:1], end_ticks=Song.new(parts).end_ticks))
    (organ,) = first.values()
    length = min(len(organ), len(next(iter(stems.values()))))
    one, other = organ[:length].ravel(), next(iter(stems.values()))[:length].ravel()
    assert np.corrcoef(one, other)[0, 1] > 0.99
