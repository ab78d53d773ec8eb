"""Turn a song by musical knobs: busier, higher, more off the beat; and see that it obeyed.

    python examples/steer_attributes.py [SONG or FOLDER]

Without a song the first folk tune of the built-in corpus is turned. You will see, for each knob
turned up and down, how far it moved (in deviations from what is usual) and which other attribute
moved most. In examples-out/steer/ lie the turned songs: hear plain.mid, then the others.
"""

import sys
from pathlib import Path

from musicvae import Bars, MusicVAE, align
from musicvae.attributes import ATTRIBUTES
from musicvae.checkpoints import choose
from musicvae.data import corpora
from musicvae.io import read, write
from musicvae.tools.steer import steer

OUT = Path("examples-out/steer")

place = Path(sys.argv[1]) if len(sys.argv) > 1 else None
place = place or corpora.export("folk", OUT / "songs", limit=1).folder
path = sorted(place.rglob("*.mid"))[0] if place.is_dir() else place
song = align(read(path))
model = MusicVAE.load(choose([Bars.from_song(song.song)]).path)
print(f"{path}, by {model.path.stem}")
write(model.reconstruct(song), OUT / "plain.mid")
before = model.attributes(song)
for knob in ("density", "register", "syncopation"):
    if knob not in before:
        print(f"{knob}: nothing that this model can turn")
        continue
    for turn in (+2, -2):
        found = steer(model, song, {knob: turn})
        write(found.song, OUT / f"{knob}{turn:+d}.mid")
        after, moved = model.attributes(found.song)[knob], found.moved
        other = max((n for n in moved if n != knob), key=lambda n: abs(moved[n]))
        told = f"{before[knob]:.2f} to {after:.2f} {ATTRIBUTES[knob].unit}"
        print(f"{knob} {turn:+d}: {told}, which is {moved[knob]:+.2f} deviations;", end=" ")
        print(f"with it {other} moved most, {moved[other]:+.2f}")
print(f"hear them in {OUT}/, plain.mid first")
