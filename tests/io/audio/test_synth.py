"""Synthesizers: what every installed one must play, and the choice among them."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import soundfile

from musicvae.cli.writer import SYNTHESIZER_NAMES
from musicvae.errors import ConfigError, ReadError
from musicvae.io import midi
from musicvae.io.audio.loudness import measure_loudness
from musicvae.io.audio.render import RenderOptions, render
from musicvae.io.audio.synth import (
    SYNTHESIS_RATE_HZ,
    SYNTHESIZERS,
    SoundFont,
    find_synthesizer,
    installed_synthesizers,
)
from musicvae.song import Song
from support.cli import run
from support.songs import part_on_grid, small_band, small_chorale

INSTALLED = installed_synthesizers()
every_synthesizer = pytest.mark.parametrize("name", INSTALLED)
with_shell = pytest.mark.skipif(sys.platform == "win32", reason="FluidSynth is a shell script here")


def play(name: str, song: Song, rate: int = SYNTHESIS_RATE_HZ) -> np.ndarray:
    return SYNTHESIZERS[name].play(midi.to_bytes(song), SoundFont.load(), rate)


def one_note(velocity: int = 100, pitch: int = 69, program: int = 73) -> Song:
    return Song.new([part_on_grid([(24, 48, pitch, velocity)], 20, program=program)])


def level_db(samples: np.ndarray) -> float:
    return 20 * np.log10(np.sqrt((samples**2).mean()))


@every_synthesizer
def test_samples_are_stereo_and_the_same_each_time(name: str) -> None:
    samples = play(name, small_band())
    assert samples.dtype == np.float32
    assert samples.ndim == 2
    assert samples.shape[1] == 2
    assert np.isfinite(samples).all()
    assert samples.any()
    assert np.array_equal(samples, play(name, small_band()))


@every_synthesizer
def test_notes_sound_in_their_place_and_at_their_pitch(name: str) -> None:
    samples = play(name, one_note()).mean(1)  # A4 from 0.5 s to 1.5 s
    loud = np.flatnonzero(np.abs(samples) > 0.05 * np.abs(samples).max())
    assert 0.49 < loud[0] / SYNTHESIS_RATE_HZ < 0.53
    assert 1.4 < loud[-1] / SYNTHESIS_RATE_HZ < 2.5
    held = samples[33_600:67_200]
    spectrum = np.abs(np.fft.rfft(held * np.hanning(len(held)), 1 << 18))
    hertz = np.fft.rfftfreq(1 << 18, 1 / SYNTHESIS_RATE_HZ)
    fundamental = (hertz > 300) & (hertz < 650)
    assert hertz[fundamental][spectrum[fundamental].argmax()] == pytest.approx(440, rel=0.01)


@every_synthesizer
def test_softer_notes_are_softer(name: str) -> None:
    loud, soft = (play(name, one_note(velocity)) for velocity in (100, 50))
    assert level_db(loud) - level_db(soft) == pytest.approx(12, abs=3)


@every_synthesizer
def test_drums_are_no_melody(name: str) -> None:
    kick, snare, piano = (
        play(name, Song.new([part_on_grid([(0, 12, pitch, 100)], 20, is_drum=is_drum)]))[:12_000]
        for pitch, is_drum in ((36, True), (38, True), (36, False))
    )
    for one, other in ((kick, snare), (kick, piano)):
        assert abs(np.corrcoef(one.mean(1), other.mean(1))[0, 1]) < 0.5


@every_synthesizer
def test_other_sample_rates_have_the_same_sound(name: str) -> None:
    full, half = play(name, one_note()), play(name, one_note(), 24_000)
    n = min(len(half), len(full) // 2)
    assert abs(len(half) - len(full) / 2) <= 1
    assert np.corrcoef(full[: 2 * n : 2, 0], half[:n, 0])[0, 1] > 0.999


@every_synthesizer
def test_rendered_songs_have_one_loudness(name: str) -> None:
    song = small_chorale(bars=2)
    samples, rate = render(song, RenderOptions(synthesizer=name))
    assert measure_loudness(samples, rate) == pytest.approx(-18, abs=0.5)
    assert 0.49 < len(samples) / rate - song.duration_s < 4.2


@every_synthesizer
def test_file_that_is_no_soundfont_is_reported(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.sf2"
    path.write_bytes(b"RIFFnonsense")
    with pytest.raises(ReadError, match=r"bad.sf2: not a SoundFont; name an SF2 file"):
        SoundFont.load(path)
    path.write_bytes(b"RIFF\4\0\0\0sfbk")
    with pytest.raises(ReadError, match=r"cannot use it .*; name an SF2 SoundFont"):
        SYNTHESIZERS[name].play(midi.to_bytes(one_note()), SoundFont.load(path))


def leave_only(monkeypatch: pytest.MonkeyPatch, folder: Path, *packages: str) -> None:
    """Hide programs outside `folder`, and the packages of synthesizers but for `packages`."""
    monkeypatch.setenv("PATH", str(folder))
    for package in {"midirenderer", "tinysoundfont"} - set(packages):
        monkeypatch.setitem(sys.modules, package, None)


def make_fluidsynth(folder: Path, script: str) -> None:
    program = folder / "fluidsynth"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@with_shell
def test_first_installed_synthesizer_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_fluidsynth(tmp_path, "exit 3")
    leave_only(monkeypatch, tmp_path, "midirenderer")
    assert find_synthesizer().name == "midirenderer"
    assert installed_synthesizers() == ["midirenderer", "fluidsynth"]
    leave_only(monkeypatch, tmp_path)
    assert find_synthesizer().name == "fluidsynth"


@with_shell
def test_sound_works_without_midirenderer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wave = tmp_path / "played.wav"
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(96_000) / 48_000)
    soundfile.write(wave, np.stack([tone, tone], axis=1), 48_000, "PCM_16")
    script = 'while [ "$1" != -F ]; do shift; done; /bin/cp "$(dirname "$0")/played.wav" "$2"'
    make_fluidsynth(tmp_path, script.replace("$(dirname", "$(/usr/bin/dirname"))
    leave_only(monkeypatch, tmp_path)
    samples = find_synthesizer().play(midi.to_bytes(one_note()), SoundFont.load())
    assert np.abs(samples[:, 0] - tone).max() < 1e-4
    normalized, rate = render(one_note())
    assert measure_loudness(normalized, rate) == pytest.approx(-18, abs=0.5)


@with_shell
def test_failure_of_fluidsynth_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_fluidsynth(tmp_path, "echo it broke >&2; exit 3")
    leave_only(monkeypatch, tmp_path)
    with pytest.raises(ReadError, match="it broke"):
        render(one_note())


def test_missing_synthesizers_are_one_line_with_the_alternatives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_only(monkeypatch, tmp_path, "midirenderer")
    with pytest.raises(ConfigError) as missing:
        find_synthesizer("fluidsynth")
    words = "synthesizer fluidsynth: its program is not installed; use midirenderer"
    assert str(missing.value) == words
    with pytest.raises(ConfigError, match="tinysoundfont is not installed; use midirenderer"):
        find_synthesizer("tinysoundfont")
    leave_only(monkeypatch, tmp_path)
    for name in ("auto", "midirenderer"):
        with pytest.raises(ConfigError, match="installed; install midirenderer or FluidSynth"):
            find_synthesizer(name)


def test_broken_package_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tinysoundfont.py").write_text("raise ImportError('libm.so.7: not found')")
    leave_only(monkeypatch, tmp_path)
    monkeypatch.delitem(sys.modules, "tinysoundfont")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"tinysoundfont: libm\.so\.7: not found; install"):
        find_synthesizer("tinysoundfont")


def test_tinysoundfont_gets_each_event_at_its_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the package counts samples, so that the test does not need it."""
    log: list[tuple[int, object]] = []

    class NoteOn(SimpleNamespace):
        pass

    class Synth:
        n_played = 0

        def __init__(self, samplerate: int) -> None:
            assert samplerate == SYNTHESIS_RATE_HZ

        def sfload(self, content: bytes, max_voices: int) -> None:
            assert content[:4] == b"RIFF"

        def program_change(self, channel: int, program: int, is_drum: bool) -> None:
            assert is_drum == (channel == 9)

        def generate_simple(self, n: int) -> bytes:
            self.n_played += n
            return np.full(2 * n, 0.5, np.float32).tobytes()

    def sequencer(synth: Synth) -> SimpleNamespace:
        return SimpleNamespace(send=lambda event: log.append((synth.n_played, event.action)))

    times = np.arange(1, 2001) / 7.0  # none falls on a sample
    events = [SimpleNamespace(t=t, action=NoteOn(velocity=64)) for t in times]
    module = ModuleType("tinysoundfont")
    note_events = SimpleNamespace(load_memory=lambda content: events, NoteOn=NoteOn)
    for name, value in (("Synth", Synth), ("Sequencer", sequencer), ("midi", note_events)):
        setattr(module, name, value)
    monkeypatch.setitem(sys.modules, "tinysoundfont", module)
    samples = play("tinysoundfont", one_note())
    expected = np.round(times * SYNTHESIS_RATE_HZ)
    assert np.array_equal([at for at, _ in log], expected)
    assert len(samples) == expected[-1] + 4 * SYNTHESIS_RATE_HZ
    assert {action.velocity for _, action in log} == {round(64**2 / 127)}


def test_command_line_knows_every_synthesizer(tmp_path: Path) -> None:
    assert ["auto", *SYNTHESIZERS] == list(SYNTHESIZER_NAMES)
    path = midi.write(one_note(), tmp_path / "song.mid")
    for flag in ("--synthesizer", "--synth"):
        result = run("render", path, flag, "midirenderer", "--force")
        assert result.exit_code == 0, result.output
        assert (tmp_path / "song.wav").is_file()


def test_command_line_reports_a_missing_synthesizer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = midi.write(one_note(), tmp_path / "song.mid")
    leave_only(monkeypatch, tmp_path, "midirenderer")
    result = run("render", path, "--synthesizer", "fluidsynth")
    assert result.exit_code == 1
    assert "fluidsynth: its program is not installed; use midirenderer" in result.output
    assert not (tmp_path / "song.wav").exists()
