from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import band, chorale
from strategies import part_of

from musicvae.errors import ReadError, WriteError
from musicvae.formats import audio
from musicvae.song import Song


def loudness(samples: audio.Samples, begin_s: float, end_s: float, rate: int) -> float:
    return float(np.abs(samples[round(begin_s * rate) : round(end_s * rate)]).max())


def one_note(velocity: int = 100, end_ticks: int = 0, program: int = 48) -> Song:
    return Song.new([part_of([(0, 48, 60, velocity)], 20, program=program)], end_ticks=end_ticks)


@pytest.mark.parametrize("song", [chorale(bars=2), band()], ids=["chorale", "band"])
def test_a_song_sounds_as_long_as_it_lasts_and_dies_away(song: Song) -> None:
    samples, rate = audio.render(song)
    assert samples.dtype == np.float32
    assert samples.shape[1] == 2
    assert np.isfinite(samples).all()
    tail_s = len(samples) / rate - song.duration_s
    assert 0.49 < tail_s < 4.1
    assert np.abs(samples).max() == pytest.approx(10 ** (-1 / 20), abs=1e-3)
    assert np.abs(samples[-1]).max() < 1e-4
    assert loudness(samples, 0, 0.5, rate) > 0.1


def test_the_same_song_sounds_the_same() -> None:
    one, other = (audio.render(one_note())[0] for _ in range(2))
    assert np.array_equal(one, other)


def test_trailing_silence_and_leading_rest_are_kept() -> None:
    silent, rate = audio.render(one_note(end_ticks=480 * 16))
    assert len(silent) / rate >= 8.5
    assert loudness(silent, 6, 8, rate) < 1e-3
    late = Song.new([part_of([(24 * 8, 24, 60, 100)], 20)])
    samples, _ = audio.render(late)
    assert loudness(samples, 0, 3.9, rate) == 0
    assert loudness(samples, 4, 4.5, rate) > 0.5


def test_the_end_is_not_cut_off() -> None:
    samples, rate = audio.render(one_note())
    assert loudness(samples, 1.0, 1.1, rate) > 0.01  # the strings ring on past their note
    assert np.abs(np.diff(samples[-2400:, 0])).max() < 0.01


@pytest.mark.parametrize("velocity", [1, 5, 30, 127])
def test_a_song_with_notes_is_never_silent(velocity: int) -> None:
    samples, rate = audio.render(one_note(velocity))
    assert loudness(samples, 0, 1, rate) > 0.5


def test_many_loud_notes_do_not_clip() -> None:
    every = [(0, 96, pitch, 127) for pitch in range(30, 100)]
    song = Song.new([part_of(every, 20, program=p, name=str(p)) for p in range(0, 96, 8)])
    samples, _ = audio.render(song)
    peak = np.abs(samples).max()
    assert peak < 0.9
    assert (np.abs(samples) > 0.999 * peak).mean() < 1e-3


def test_parts_sound_different_and_drums_are_drums() -> None:
    strings, _ = audio.render(one_note(program=48))
    organ, _ = audio.render(one_note(program=16))
    kit, _ = audio.render(Song.new([part_of([(0, 48, 60, 100)], 20, is_drum=True)]))
    size = 24_000
    assert not np.allclose(strings[:size], organ[:size], atol=0.05)
    assert not np.allclose(strings[:size], kit[:size], atol=0.05)


def test_no_notes_are_silence() -> None:
    samples, rate = audio.render(Song.new(end_ticks=960))
    assert len(samples) == round(1.5 * rate)
    assert not samples.any()


@pytest.mark.parametrize("suffix", audio.SUFFIXES)
def test_files_are_what_their_suffix_says(tmp_path: Path, suffix: str) -> None:
    song = one_note()
    path = audio.write_audio(song, tmp_path / "new" / f"a{suffix.upper()}")
    info = soundfile.info(path)
    assert info.format == suffix[1:].upper()
    assert (info.channels, info.samplerate) == (2, 48_000)
    expected, rate = audio.render(song)
    assert info.frames == pytest.approx(len(expected), abs=2048)
    read, _ = soundfile.read(path)
    assert np.abs(read).max() > 0.5
    if suffix != ".ogg":
        assert np.abs(read - expected).max() < 1e-4
    assert rate == 48_000
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_trouble_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.sf2").write_bytes(b"RIFFnonsense")
    (tmp_path / "file").write_text("in the way")
    for make, error, message in (
        ("a.mp4", WriteError, "no audio format .mp4; use .wav, .flac, .ogg"),
        ("a", WriteError, "without a suffix"),
        ("file/a.wav", WriteError, "--out"),
    ):
        with pytest.raises(error, match=message):
            audio.write_audio(one_note(), tmp_path / make)
    with pytest.raises(ReadError, match="SoundFont: no such file"):
        audio.render(one_note(), tmp_path / "none.sf2")
    with pytest.raises(ReadError, match="the synthesizer cannot use it"):
        audio.render(one_note(), tmp_path / "bad.sf2")
    with pytest.raises(WriteError, match="hours of sound"):
        audio.render(Song.new(end_ticks=960 * 3600 * 4))
    assert not list(tmp_path.glob("*.wav"))
