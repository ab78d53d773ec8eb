"""Floor 3: synthesizers. MIDI bytes and a SoundFont -> samples, as the synthesizer plays them.

`midirenderer` comes in a wheel and is always there; FluidSynth is used where the system has its
program, since it follows more of what SoundFonts ask for.
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
from numpy.typing import NDArray

from musicvae.errors import ConfigError, ReadError

Samples = NDArray[np.float32]

SYNTHS = ("auto", "fluidsynth", "midirenderer")
_RATE = 48_000
_LONGEST_S = 1800  # of FluidSynth for one song, before it is given up


def default_soundfont() -> Path:
    """The General MIDI SoundFont inside the `pretty_midi` wheel. Raises `ReadError`."""
    found = find_spec("pretty_midi")  # only its place: importing it takes a second
    folder = Path(found.origin).parent if found and found.origin else Path("pretty_midi")
    path = folder / "TimGM6mb.sf2"
    if not path.is_file():
        raise ReadError(path, "no SoundFont there", "reinstall pretty_midi, or name an SF2 file")
    return path


def pick_synth(name: str = "auto") -> str:
    """`fluidsynth` if the system has it, else `midirenderer`; or the one that is named.

    Raises `ConfigError` if that is not there.
    """
    there = shutil.which("fluidsynth") is not None
    if name == "auto":
        return "fluidsynth" if there else "midirenderer"
    if name not in SYNTHS:
        raise ConfigError(f"no synthesizer {name!r}: use {', '.join(SYNTHS)}")
    if name == "fluidsynth" and not there:
        raise ConfigError("no program fluidsynth here: install FluidSynth, or use midirenderer")
    return name


def synthesised(midi: bytes, font: Path, content: bytes, synth: str) -> tuple[Samples, int]:
    """What a synthesizer plays of a MIDI file, `(n, 2)`, and its rate in hz.

    `content` is the SoundFont of the file `font`. Raises `ReadError` if it cannot be used.
    """
    if synth == "fluidsynth":
        return _by_fluidsynth(midi, font)
    from midirenderer import render_wave_from

    try:
        return _samples(render_wave_from(content, midi))
    except RuntimeError as error:
        reason = f"the synthesizer cannot use it ({error})"
        raise ReadError(font, reason, "name an SF2 SoundFont") from None


def _by_fluidsynth(midi: bytes, font: Path) -> tuple[Samples, int]:
    with tempfile.TemporaryDirectory() as folder:
        song, out = Path(folder, "song.mid"), Path(folder, "song.wav")
        song.write_bytes(midi)
        options = ["-q", "-n", "-i", "-g", "0.5", "-r", str(_RATE), "-T", "wav", "-F", str(out)]
        command = ["fluidsynth", *options, str(font), str(song)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_LONGEST_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = f"FluidSynth did not play ({error})"
            raise ReadError(font, reason, "use midirenderer") from None
        words = done.stderr.decode(errors="replace")
        if done.returncode or "not a SoundFont" in words or not out.is_file():
            last = (words.strip().splitlines() or ["no reason given"])[-1]
            reason = f"the synthesizer cannot use it ({last})"
            raise ReadError(font, reason, "name an SF2 SoundFont")
        return _samples(out.read_bytes())


def _samples(content: bytes) -> tuple[Samples, int]:
    with wave.open(io.BytesIO(content)) as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return np.float32(1 / 32768) * frames.reshape(-1, 2), file.getframerate()
