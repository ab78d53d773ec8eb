"""What there is in generated songs: musical measures of MIDI files, and their audio if beside them.

    python experiments/form.py songs/

A row a song, then whether each keeps what is promised of `make songs`: at least eight bars, notes
in at least 90% of them, more than four pitch classes, repeated notes, no chord that stands still
for more than four bars; audio neither silent nor clipped and at least as long as the song.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile

from musicvae import Bars, Song
from musicvae.attributes import describe
from musicvae.io import read

_SHOWN = (
    "bars",
    "notes",
    "bars_sounding",
    "pitch_classes",
    "in_scale",
    "consonant",
    "repeated",
    "longest_chord_bars",
)


def broken_promises(song: Song, measures: dict[str, float], audio: Path) -> list[str]:
    """What is promised of a song and not kept, in words."""
    kept = {
        "fewer than eight bars": measures["bars"] >= 8,
        "too many silent bars": measures.get("bars_sounding", 0) >= 0.9,
        "too few pitch classes": measures.get("pitch_classes", 0) > 4,
        "no repeated notes": measures.get("repeated", 0) > 0,
        "a chord stands still": measures.get("longest_chord_bars", 99) <= 4,
    }
    if audio.exists():
        samples, rate = soundfile.read(audio)
        peak = float(np.abs(samples).max(initial=0))
        kept["silent audio"] = peak > 0.01
        kept["clipped audio"] = peak < 1.0
        kept["audio cut short"] = len(samples) / rate >= song.duration_s
    return [words for words, good in kept.items() if not good]


def main(folder: str) -> int:
    """Print a row for each song; the exit code says whether all promises are kept."""
    print(f"{'song':24}" + "".join(f"{name:>19}" for name in _SHOWN))
    failed = 0
    for path in sorted(Path(folder).glob("*.mid")):
        song = read(path)
        measures = describe(Bars.from_song(song).at(4))
        print(f"{path.name:24}" + "".join(f"{measures.get(name, 0):19.3f}" for name in _SHOWN))
        for words in broken_promises(song, measures, path.with_suffix(".wav")):
            failed += 1
            print(f"{'':24}{words}")
    print("all promises kept" if not failed else f"{failed} promises broken")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "songs"))
