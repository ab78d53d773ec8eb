"""A synthesizer in a process of its own, for SoundFonts of unknown origin.

Libraries that read SoundFonts may panic, loop or take any memory on a damaged one. The process has
limits of memory and time, and only samples come back.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np

from musicvae.arrays import Floats32
from musicvae.processes import boot_code, boot_command, run_program

BOOT_CODE = boot_code("musicvae.io.audio.synth", "play_from_arguments")
START_S, SECONDS_PER_SECOND = 15.0, 2.0  # time limit: of the start, and for each second of sound
MEMORY_BYTES = 2 << 30  # of address space, beside the SoundFont and the sound
_FONT_COPIES, _SOUND_COPIES, _FRAME_BYTES = 4, 4, 8


def play_apart(name: str, midi: bytes, font: Path, duration_s: float, rate: int) -> Floats32:
    """Return the samples `(n, 2)` of MIDI bytes of about `duration_s` seconds.

    `name` is that of the synthesizer, `rate` its own. Raises `RuntimeError`.
    """
    seconds = START_S + SECONDS_PER_SECOND * duration_s
    sound_bytes = int(duration_s * rate + rate) * _FRAME_BYTES
    memory = MEMORY_BYTES + _FONT_COPIES * font.stat().st_size + _SOUND_COPIES * sound_bytes
    with tempfile.TemporaryDirectory() as folder:
        song, out = Path(folder, "song.mid"), Path(folder, "samples.npy")
        song.write_bytes(midi)
        arguments = (name, str(font), str(song), str(out), str(memory))
        try:
            done = run_program(boot_command(BOOT_CODE, *arguments), seconds)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"it took longer than {seconds:.0f} seconds") from None
        if done.returncode or not out.is_file():
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            raise RuntimeError(lines[-1].strip()[:120] if lines else "it broke off")
        return np.asarray(np.load(out), np.float32)
