"""Find anomalous bars: corrupt one bar of each song, and see whether the model finds it.

    python examples/find_odd_bars.py [FOLDER]

Without a folder, four chorales by Bach are used. In each song the notes of one bar of one part are
raised by a semitone. You will see whether that bar gets the highest anomaly score, and why. The
corrupted songs, to hear, and plots of their scores over time are written to examples-out/odd/.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from musicvae import Bars, MusicVAE, Song, estimate_barlines, read, write
from musicvae.checkpoints import choose
from musicvae.data import corpora
from musicvae.errors import MusicVAEError
from musicvae.plots import plot_anomalies

OUT = Path("examples-out/odd")


def corrupt(song: Song, rng: np.random.Generator) -> tuple[Song, int, str]:
    """Raise one bar of one part by a semitone; return the song, the bar (from 0) and the part."""
    bars = Bars.from_song(song)
    pitched = [i for i, part in enumerate(song.parts) if len(part) and not part.is_drum]
    part = int(rng.choice(pitched))
    bar = int(rng.choice(np.unique(bars.notes.bar[bars.notes.part == part])))
    selected = (bars.notes.bar == bar) & (bars.notes.part == part)
    notes = replace(bars.notes, pitch=np.minimum(bars.notes.pitch + selected, 127))
    return replace(bars, notes=notes).to_song(), bar, song.parts[part].name or f"part {part + 1}"


folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
folder = folder or corpora.export("chorales", OUT / "songs", limit=4).folder
rng, n_found, n_songs = np.random.default_rng(3), 0, 0
for path in sorted(folder.rglob("*.mid"))[:8]:
    try:
        song, bar, part = corrupt(estimate_barlines(read(path)).song, rng)
        choice = choose([Bars.from_song(song)], corruptions=("pitch_substitution",))
        report = MusicVAE.load(choice.path).anomalies(song)
    except MusicVAEError as error:
        print(error)
        continue
    write(song, OUT / f"{path.stem}.mid")
    number, top, n_songs = int(report.bar_numbers[bar]), report.anomalies[0], n_songs + 1
    n_found += (top.bar, top.name) == (number, part)
    print(
        f"{path.name}: corrupted bar {number} of {part}; highest score: bar {top.bar} of {top.name}"
    )
    print(f"  {top.anomaly_score:+.1f} standard deviations: {'; '.join(top.reasons)}")
    names = [part.name for part in song.parts]
    scores = report.bar_numbers, report.bar_scores, report.part_scores
    plot_anomalies(*scores, names, OUT / f"{path.stem}.png", path.stem)
print(f"found {n_found} of {n_songs} corrupted bars; the songs and plots are in {OUT}/")
