"""Synthesizers: MIDI bytes and a SoundFont -> samples.

`Synthesizer` is the one interface, and `SYNTHESIZERS` lists its implementations in the order in
which `find_synthesizer` prefers them. The first comes in a wheel and is a dependency; the others
replace it where it cannot be installed. Each plays the same MIDI bytes to the same samples.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
import wave
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from musicvae.arrays import Floats32
from musicvae.errors import ConfigError, ReadError, os_reason
from musicvae.io.audio.synth_process import play_apart
from musicvae.processes import limit_memory, run_program

SYNTHESIS_RATE_HZ = 48_000
MAX_DURATION_S = 3 * 3600
"""Length of what is played at once."""
MAX_SOUNDFONT_BYTES = 2 << 30
_TIMEOUT_S = 1800  # of FluidSynth, for one song
_MAX_VOICES, _RING_S = 1024, 4  # of TinySoundFont: voices, and sound after the last event
_INSTALL = "install midirenderer or FluidSynth"
_DRUM_CHANNEL = 9


@dataclass(frozen=True)
class SoundFont:
    """An SF2 file, read where it is played."""

    path: Path

    @property
    def content(self) -> bytes:
        """The bytes of the file, which are kept for the next song. Raises `ReadError`."""
        try:
            return _read_cached(self.path, self.path.stat().st_mtime_ns)
        except OSError as error:
            reason = f"SoundFont: {os_reason(error)}"
            raise ReadError(self.path, reason, "name an SF2 file") from None

    @staticmethod
    def load(path: str | Path | None = None) -> SoundFont:
        """Find and check a SoundFont, by default `default_soundfont()`. Raises `ReadError`."""
        file = default_soundfont() if path is None else Path(path)
        try:
            if file.exists() and not file.is_file():
                raise ReadError(file, "SoundFont: not a regular file", "name an SF2 file")
            with file.open("rb") as start:
                head = start.read(12)
            if head[:4] != b"RIFF" or head[8:] != b"sfbk":
                raise ReadError(file, "not a SoundFont", "name an SF2 file")
            if file.stat().st_size > MAX_SOUNDFONT_BYTES:
                reason = f"a SoundFont of more than {MAX_SOUNDFONT_BYTES >> 30} GB"
                raise ReadError(file, reason, "name a smaller SF2 file")
            return SoundFont(file)
        except OSError as error:
            raise ReadError(file, f"SoundFont: {os_reason(error)}", "name an SF2 file") from None


def default_soundfont() -> Path:
    """Return the General MIDI SoundFont inside the `pretty_midi` wheel. Raises `ReadError`."""
    spec = find_spec("pretty_midi")  # not imported, which takes a second
    folder = Path(spec.origin).parent if spec and spec.origin else Path("pretty_midi")
    path = folder / "TimGM6mb.sf2"
    if not path.is_file():
        raise ReadError(path, "no SoundFont found", "reinstall pretty_midi, or name an SF2 file")
    return path


@lru_cache(maxsize=1)
def _read_cached(path: Path, modified_ns: int) -> bytes:
    """Return the bytes of a file that has not changed since `modified_ns`."""
    return path.read_bytes()


class Synthesizer(ABC):
    """Player of MIDI bytes with a SoundFont."""

    name: ClassVar[str]
    runs_in_process: ClassVar[bool] = True
    """Whether it is a library, and no program of its own."""
    clips: ClassVar[bool] = False
    """Whether samples beyond 1 are cut off, as in a file of 16 bits."""

    @abstractmethod
    def unavailable_reason(self) -> str:
        """Return why this synthesizer cannot play here, empty if it can."""

    @abstractmethod
    def _play(self, midi: bytes, font: SoundFont) -> Floats32:
        """Return samples `(n, 2)` at `SYNTHESIS_RATE_HZ`. Raises `RuntimeError`."""

    def play_here(self, midi: bytes, font: SoundFont) -> Floats32:
        """Return samples `(n, 2)` at `SYNTHESIS_RATE_HZ`, played in this process.

        Raises `RuntimeError`; with a damaged SoundFont a library may do worse.
        """
        return self._play(midi, font)

    def play(
        self,
        midi: bytes,
        font: SoundFont,
        rate: int = SYNTHESIS_RATE_HZ,
        duration_s: float = MAX_DURATION_S,
    ) -> Floats32:
        """Play MIDI bytes; return samples `(n, 2)` float32 at `rate` Hz.

        They end with the MIDI or after it, or with its last note. A SoundFont other than
        `default_soundfont()` is played in a process of its own, with limits of memory and, by
        `duration_s` of the MIDI, of time. Raises `ReadError` if the SoundFont cannot be used.
        """
        try:
            if self.runs_in_process and font.path != default_soundfont():
                samples = play_apart(self.name, midi, font.path, duration_s, SYNTHESIS_RATE_HZ)
            else:
                samples = self.play_here(midi, font)
        except RuntimeError as error:
            reason = f"the synthesizer cannot use it ({error})"
            raise ReadError(font.path, reason, "name an SF2 SoundFont") from None
        if not np.isfinite(samples).all():
            raise ReadError(font.path, "its sound is NaN or inf", "name an SF2 SoundFont")
        if rate == SYNTHESIS_RATE_HZ:
            return samples
        import soxr

        return np.asarray(soxr.resample(samples, SYNTHESIS_RATE_HZ, rate), np.float32)


class MidiRendererSynthesizer(Synthesizer):
    """`midirenderer`: RustySynth in a wheel for any Python."""

    name = "midirenderer"
    clips = True

    def unavailable_reason(self) -> str:
        """Return why `midirenderer` cannot be imported."""
        return _import_failure("midirenderer")

    def _play(self, midi: bytes, font: SoundFont) -> Floats32:
        from midirenderer import render_wave_from

        return _decode_wav(render_wave_from(font.content, midi))


class FluidSynthSynthesizer(Synthesizer):
    """The program FluidSynth, the reference among players of SoundFonts.

    The program runs in a process of its own; `pyfluidsynth` would need the same system library.
    """

    name = "fluidsynth"
    runs_in_process = False
    clips = True

    def unavailable_reason(self) -> str:
        """Return that the program is not found."""
        return "" if shutil.which("fluidsynth") else "its program is not installed"

    def _play(self, midi: bytes, font: SoundFont) -> Floats32:
        with tempfile.TemporaryDirectory() as folder:
            song, out = Path(folder, "song.mid"), Path(folder, "song.wav")
            song.write_bytes(midi)
            options = ["-q", "-n", "-i", "-g", "0.5", "-r", str(SYNTHESIS_RATE_HZ)]
            options += ["-T", "wav", "-F", str(out)]
            command = ["fluidsynth", *options, str(font.path), str(song)]
            try:
                done = run_program(command, _TIMEOUT_S)
            except (OSError, subprocess.TimeoutExpired) as error:
                reason = f"FluidSynth did not play ({error})"
                raise ReadError(font.path, reason, "use another synthesizer") from None
            messages = done.stderr.decode(errors="replace")
            if done.returncode or "not a SoundFont" in messages or not out.is_file():
                raise RuntimeError((messages.strip().splitlines() or ["no reason given"])[-1])
            return _decode_wav(out.read_bytes())


class TinySoundFontSynthesizer(Synthesizer):
    """`tinysoundfont`: TinySoundFont in a wheel.

    Installed with `pip install --no-deps tinysoundfont`: it also asks for PyAudio, which is for
    playing to a loudspeaker and is compiled on Linux.
    """

    name = "tinysoundfont"

    def unavailable_reason(self) -> str:
        """Return why `tinysoundfont` cannot be imported."""
        return _import_failure("tinysoundfont")

    def _play(self, midi: bytes, font: SoundFont) -> Floats32:
        engine: Any = import_module("tinysoundfont")
        synth = engine.Synth(samplerate=SYNTHESIS_RATE_HZ)
        synth.sfload(font.content, max_voices=_MAX_VOICES)
        for channel in range(16):
            synth.program_change(channel, 0, channel == _DRUM_CHANNEL)
        # Its own player rounds each pause up to a whole sample, so that long songs fall behind.
        sequencer, blocks, n_played = engine.Sequencer(synth), [], 0
        for event in engine.midi.load_memory(midi):
            n_frames = round(event.t * SYNTHESIS_RATE_HZ) - n_played
            if n_frames > 0:
                blocks.append(np.frombuffer(synth.generate_simple(n_frames), np.float32))
                n_played += n_frames
            if isinstance(event.action, engine.midi.NoteOn):
                # Amplitude is linear in velocity, and quadratic by the SoundFont standard.
                velocity = event.action.velocity
                event.action.velocity = min(velocity, max(1, round(velocity**2 / 127)))
            sequencer.send(event)
        blocks.append(np.frombuffer(synth.generate_simple(_RING_S * SYNTHESIS_RATE_HZ), np.float32))
        return np.concatenate(blocks).reshape(-1, 2)


_ALL = (
    MidiRendererSynthesizer(),
    FluidSynthSynthesizer(),
    TinySoundFontSynthesizer(),
)
SYNTHESIZERS: dict[str, Synthesizer] = {each.name: each for each in _ALL}
"""Synthesizers by name, the preferred ones first."""


def installed_synthesizers() -> list[str]:
    """Return the names of the synthesizers that can play here, the preferred ones first."""
    return [each.name for each in _ALL if not each.unavailable_reason()]


def find_synthesizer(name: str = "auto") -> Synthesizer:
    """Return a synthesizer by name, or for `auto` the first one that is installed.

    Raises `ConfigError`, with the reason and the alternatives, if it cannot play here.
    """
    if name == "auto":
        for each in _ALL:
            if not each.unavailable_reason():
                return each
        raise ConfigError(f"no synthesizer is installed; {_INSTALL}")
    if name not in SYNTHESIZERS:
        raise ConfigError(f"no synthesizer {name!r}: use {', '.join(('auto', *SYNTHESIZERS))}")
    if reason := SYNTHESIZERS[name].unavailable_reason():
        installed = " or ".join(installed_synthesizers())
        hint = f"use {installed}" if installed else _INSTALL
        raise ConfigError(f"synthesizer {name}: {reason}; {hint}")
    return SYNTHESIZERS[name]


def play_from_arguments() -> None:
    """Play in this process, as `synth_process.play_apart` asks by the arguments of the command."""
    name, font, song, out, memory = sys.argv[2:]
    limit_memory(int(memory))
    np.save(out, SYNTHESIZERS[name].play_here(Path(song).read_bytes(), SoundFont(Path(font))))


def _import_failure(package: str) -> str:
    """Return why a package cannot be imported, empty if it can."""
    try:
        import_module(package)
    except ModuleNotFoundError as error:
        if error.name == package:
            return f"the package {package} is not installed"
        return str(error)
    except ImportError as error:  # a library that it needs is missing
        return str(error)
    return ""


def _decode_wav(content: bytes) -> Floats32:
    """Decode a 16-bit stereo WAV file at `SYNTHESIS_RATE_HZ`; return samples `(n, 2)`."""
    with wave.open(io.BytesIO(content)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return np.float32(1 / 32768) * samples.reshape(-1, 2)
