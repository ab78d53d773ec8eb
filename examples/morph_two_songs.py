"""One song becomes another while it plays, and seven songs stand on the way between them.

    python examples/morph_two_songs.py [FOLDER | A.mid B.mid]

Of a folder the first two songs are taken; without it two chorales by Bach. You will see how much
each step has in common with either end: which scale steps sound how long in the bars of either. In
examples-out/morph/ lie the steps, the morph with its sound, and its picture.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicvae import Bars, MusicVAE, Song, align
from musicvae.checkpoints import choose
from musicvae.data import corpora
from musicvae.io import read, write
from musicvae.io.audio.render import write_audio
from musicvae.plots import plot_song
from musicvae.representation.key import diatonic_key

OUT = Path("examples-out/morph")


def profile(song: Song, bars: int) -> NDArray[np.float64]:
    """How long each of twelve steps of the scale sounds in each of so many bars."""
    notes, found = Bars.from_song(song).notes, np.zeros((bars, 12))
    step = (notes.pitch - diatonic_key(notes.pitch, notes.duration)) % 12
    inside = notes.bar < bars
    np.add.at(found, (notes.bar[inside], step[inside]), notes.duration[inside])
    return found / max(np.linalg.norm(found), 1e-9)


paths = [Path(word) for word in sys.argv[1:]]
if len(paths) < 2:
    folder = paths[0] if paths else corpora.export("chorales", OUT / "songs", limit=2).folder
    paths = sorted(folder.rglob("*.mid"))
a, b = (align(read(path)) for path in paths[:2])
found = choose([Bars.from_song(each.song) for each in (a, b)])
print(f"from {paths[0].name} to {paths[1].name}, by {found.path.stem} ({found.why})")
model = MusicVAE.load(found.path)
steps = model.interpolate(a, b, steps=7)
n_bars = min(len(Bars.from_song(end)) for end in (steps[0], steps[-1]))
profiles = [profile(song, n_bars) for song in steps]
for nth, song in enumerate(steps):
    path = write(song, OUT / f"step-{nth + 1}.mid")
    to_a, to_b = (float((profiles[nth] * profiles[end]).sum()) for end in (0, -1))
    print(f"{path}: {to_a:.2f} like the first song, {to_b:.2f} like the last one")
morph = model.morph(a, b)
path = write(morph, OUT / "morph.mid")
write_audio(morph, OUT / "morph.wav")
plot_song(morph, OUT / "morph.png", f"{paths[0].stem} becomes {paths[1].stem}")
print(f"{path}: {morph.duration_s:.0f} s; hear morph.wav and see morph.png beside it")
