"""Synthesizers: MIDI bytes and a SoundFont -> samples.

`midirenderer` comes in a wheel and is always available; FluidSynth is preferred where its program
is installed, since it implements more of the SoundFont format.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
import wave
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from musicvae.arrays import Floats32
from musicvae.errors import ConfigError, ReadError

SYNTHS = ("auto", "fluidsynth", "midirenderer")
_FLUIDSYNTH_RATE_HZ = 48_000
_TIMEOUT_S = 1800  # of FluidSynth, for one song


def default_soundfont() -> Path:
    """Return the General MIDI SoundFont inside the `pretty_midi` wheel. Raises `ReadError`."""
    spec = find_spec("pretty_midi")  # not imported, which takes a second
    folder = Path(spec.origin).parent if spec and spec.origin else Path("pretty_midi")
    path = folder / "TimGM6mb.sf2"
    if not path.is_file():
        raise ReadError(path, "no SoundFont found", "reinstall pretty_midi, or name an SF2 file")
    return path


def pick_synth(name: str = "auto") -> str:
    """Return `fluidsynth` if it is installed, else `midirenderer`; or the one that is named.

    Raises `ConfigError` if that is not installed.
    """
    is_installed = shutil.which("fluidsynth") is not None
    if name == "auto":
        return "fluidsynth" if is_installed else "midirenderer"
    if name not in SYNTHS:
        raise ConfigError(f"no synthesizer {name!r}: use {', '.join(SYNTHS)}")
    if name == "fluidsynth" and not is_installed:
        raise ConfigError("FluidSynth not found: install FluidSynth, or use midirenderer")
    return name


def synthesize(midi: bytes, font: Path, content: bytes, synth: str) -> tuple[Floats32, int]:
    """Play a MIDI file; return samples `(n, 2)` and their rate in Hz.

    `content` holds the bytes of the SoundFont `font`. Raises `ReadError` if it cannot be used.
    """
    if synth == "fluidsynth":
        return _synthesize_with_fluidsynth(midi, font)
    from midirenderer import render_wave_from

    try:
        return _decode_wav(render_wave_from(content, midi))
    except RuntimeError as error:
        reason = f"the synthesizer cannot use it ({error})"
        raise ReadError(font, reason, "name an SF2 SoundFont") from None


def _synthesize_with_fluidsynth(midi: bytes, font: Path) -> tuple[Floats32, int]:
    """Play a MIDI file with the FluidSynth program."""
    with tempfile.TemporaryDirectory() as folder:
        song, out = Path(folder, "song.mid"), Path(folder, "song.wav")
        song.write_bytes(midi)
        options = ["-q", "-n", "-i", "-g", "0.5", "-r", str(_FLUIDSYNTH_RATE_HZ)]
        options += ["-T", "wav", "-F", str(out)]
        command = ["fluidsynth", *options, str(font), str(song)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = f"FluidSynth did not play ({error})"
            raise ReadError(font, reason, "use midirenderer") from None
        messages = done.stderr.decode(errors="replace")
        if done.returncode or "not a SoundFont" in messages or not out.is_file():
            last = (messages.strip().splitlines() or ["no reason given"])[-1]
            reason = f"the synthesizer cannot use it ({last})"
            raise ReadError(font, reason, "name an SF2 SoundFont")
        return _decode_wav(out.read_bytes())


def _decode_wav(content: bytes) -> tuple[Floats32, int]:
    """Decode a 16-bit stereo WAV file; return samples `(n, 2)` and their rate in Hz."""
    with wave.open(io.BytesIO(content)) as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return np.float32(1 / 32768) * frames.reshape(-1, 2), file.getframerate()
