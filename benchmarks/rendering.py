"""Speed of audio rendering, and accuracy of loudness normalization.

    python benchmarks/rendering.py songs/ [--limit 50] [--synthesizer midirenderer]

Renders up to `--limit` songs of a folder in one process and prints, for each installed synthesizer
or the given one: seconds of music per second of processor time (including child processes), the
largest deviation from the target loudness, and the highest peak.
"""

from __future__ import annotations

import os
from pathlib import Path

from musicvae.io import read

os.environ.setdefault("OMP_NUM_THREADS", "1")

import click
import numpy as np

from musicvae.io import SONG_SUFFIXES
from musicvae.io.audio.loudness import measure_loudness
from musicvae.io.audio.render import RenderOptions, render
from musicvae.io.audio.synth import installed_synthesizers


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--limit", default=50, show_default=True)
@click.option("--synthesizer", help="Only this synthesizer.")
def main(folder: Path, limit: int, synthesizer: str | None) -> None:
    """Render the songs and print a table."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SONG_SUFFIXES)
    chosen = files[:: max(1, len(files) // limit)][:limit]
    songs = [song for song in map(read, chosen) if song.n_notes and song.duration_s < 600]
    print(f"{len(songs)} songs, {sum(song.duration_s for song in songs):.0f} s of music")
    print(f"{'synthesizer':14}{'times real time':>16}{'slowest':>9}{'LUFS error':>12}{'peak':>8}")
    for name in [synthesizer] if synthesizer else installed_synthesizers():
        options = RenderOptions(synthesizer=name)
        seconds, errors, peaks = [], [], []
        for song in songs:
            start = sum(os.times()[:4])
            samples, rate = render(song, options)
            seconds.append(max(sum(os.times()[:4]) - start, 1e-3))
            errors.append(abs(measure_loudness(samples, rate) - options.lufs))
            peaks.append(float(np.abs(samples).max()))
        pace = np.array([song.duration_s for song in songs]) / np.array(seconds)
        total = sum(song.duration_s for song in songs) / sum(seconds)
        print(f"{name:14}{total:16.0f}{pace.min():9.0f}{max(errors):12.2f}{max(peaks):8.3f}")


if __name__ == "__main__":
    main()
