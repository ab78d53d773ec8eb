"""Interpolate between two songs: seven steps, and one song that turns into the other.

    python examples/morph_two_songs.py [FOLDER | A.mid B.mid]

Of a folder the first two songs are taken; without arguments, two chorales by Bach. You will see how
similar each step is to either end: the durations of scale degrees in each bar are compared. The
steps, and the morph with its sound and a plot, are written to examples-out/morph/.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicvae import Bars, MusicVAE, Song, estimate_barlines, read, write
from musicvae.checkpoints import choose
from musicvae.data import corpora
from musicvae.io.audio.render import write_audio
from musicvae.plots import plot_song
from musicvae.representation.key import estimate_diatonic_key

OUT = Path("examples-out/morph")


def scale_degree_profile(song: Song, n_bars: int) -> NDArray[np.float64]:
    """Return the normalized durations of the twelve scale degrees in each bar. `(N, 12)`"""
    notes, profile = Bars.from_song(song).notes, np.zeros((n_bars, 12))
    degree = (notes.pitch - estimate_diatonic_key(notes.pitch, notes.duration)) % 12
    inside = notes.bar < n_bars
    np.add.at(profile, (notes.bar[inside], degree[inside]), notes.duration[inside])
    return profile / max(np.linalg.norm(profile), 1e-9)


paths = [Path(argument) for argument in sys.argv[1:]]
if len(paths) < 2:
    folder = paths[0] if paths else corpora.export("chorales", OUT / "songs", limit=2).folder
    paths = sorted(folder.rglob("*.mid"))
a, b = (estimate_barlines(read(path)) for path in paths[:2])
choice = choose([Bars.from_song(each.song) for each in (a, b)])
print(f"{paths[0].name} to {paths[1].name} with {choice.path.stem} ({choice.reason})")
model = MusicVAE.load(choice.path)
steps = model.interpolate(a, b, steps=7)
n_bars = min(len(Bars.from_song(end)) for end in (steps[0], steps[-1]))
profiles = [scale_degree_profile(song, n_bars) for song in steps]
for nth, song in enumerate(steps):
    path = write(song, OUT / f"step-{nth + 1}.mid")
    to_a, to_b = (float((profiles[nth] * profiles[end]).sum()) for end in (0, -1))
    print(f"{path}: similarity {to_a:.2f} to the first song, {to_b:.2f} to the last")
morph = model.morph(a, b)
path = write(morph, OUT / "morph.mid")
write_audio(morph, OUT / "morph.wav")
plot_song(morph, OUT / "morph.png", f"{paths[0].stem} to {paths[1].stem}")
print(f"{path}: {morph.duration_s:.0f} s; hear morph.wav and see morph.png beside it")
