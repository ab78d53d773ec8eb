"""Find the bars of songs that do not belong: one is spoilt on purpose, and found.

    python examples/find_odd_bars.py [FOLDER]

Without a folder four chorales by Bach are judged. In each song the notes of one bar of one part are
moved by a semitone; you will see whether that bar comes out as the oddest, and why the model thinks
so. In examples-out/odd/ hear the spoilt songs, and see a picture of each: surprise over time.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from musicvae import Bars, MusicVAE, Song, align
from musicvae.checkpoints import choose
from musicvae.data import corpora
from musicvae.errors import MusicVAEError
from musicvae.io import read, write
from musicvae.plots import plot_scores

OUT = Path("examples-out/odd")


def spoilt(song: Song, rng: np.random.Generator) -> tuple[Song, int, str]:
    """The song with a bar of one part a semitone too high; which bar (from 0), and the part."""
    bars = Bars.from_song(song)
    pitched = [i for i, part in enumerate(song.parts) if len(part) and not part.is_drum]
    part = int(rng.choice(pitched))
    bar = int(rng.choice(np.unique(bars.notes.bar[bars.notes.part == part])))
    hit = (bars.notes.bar == bar) & (bars.notes.part == part)
    notes = replace(bars.notes, pitch=np.minimum(bars.notes.pitch + hit, 127))
    return replace(bars, notes=notes).to_song(), bar, song.parts[part].name or f"part {part + 1}"


folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
folder = folder or corpora.export("chorales", OUT / "songs", limit=4).folder
rng, found, tried = np.random.default_rng(3), 0, 0
for path in sorted(folder.rglob("*.mid"))[:8]:
    try:
        song, bar, name = spoilt(align(read(path)).song, rng)
        model = MusicVAE.load(choose([Bars.from_song(song)], mends=("wrong",)).path)
        scores = model.score(song)
    except MusicVAEError as error:
        print(error)
        continue
    write(song, OUT / f"{path.stem}.mid")
    number, odd, tried = int(scores.numbers[bar]), scores.odd[0], tried + 1
    found += (odd.bar, odd.name) == (number, name)
    print(f"{path.name}: spoilt bar {number} of {name}; the oddest is bar {odd.bar} of {odd.name}")
    print(f"  {odd.oddity:+.1f} deviations: {'; '.join(odd.reasons)}")
    names = [part.name for part in song.parts]
    picture = OUT / f"{path.stem}.png"
    plot_scores(scores.numbers, scores.bars, scores.parts, names, picture, path.stem)
print(f"found {found} of {tried} spoilt bars; the songs and pictures are in {OUT}/")
