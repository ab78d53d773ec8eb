"""Steer a song by musical attributes: more notes, higher, more syncopated.

    python examples/steer_attributes.py [SONG or FOLDER]

Without a song, the first folk tune of the built-in corpus is used. You will see how far each
attribute moves when it is turned up and down (in standard deviations), and which other attribute
moves most. The steered songs are written to examples-out/steer/: hear plain.mid first.
"""

import sys
from pathlib import Path

from musicvae import Bars, MusicVAE, estimate_barlines, read, write
from musicvae.attributes import ATTRIBUTES
from musicvae.checkpoints import choose
from musicvae.data import corpora

OUT = Path("examples-out/steer")

source = Path(sys.argv[1]) if len(sys.argv) > 1 else None
source = source or corpora.export("folk", OUT / "songs", limit=1).folder
path = sorted(source.rglob("*.mid"))[0] if source.is_dir() else source
song = estimate_barlines(read(path))
model = MusicVAE.load(choose([Bars.from_song(song.song)]).path)
print(f"{path} with {model.path.stem}")
write(model.reconstruct(song), OUT / "plain.mid")
before = model.attributes(song)
for name in ("density", "register", "syncopation"):
    if name not in before:
        print(f"{name}: not supported by this model")
        continue
    for amount in (+2, -2):
        result = model.steer_with_report(song, {name: amount})
        write(result.song, OUT / f"{name}{amount:+d}.mid")
        after, changes = model.attributes(result.song)[name], result.changes
        other = max((n for n in changes if n != name), key=lambda n: abs(changes[n]))
        values = f"{before[name]:.2f} to {after:.2f} {ATTRIBUTES[name].unit}"
        print(f"{name} {amount:+d}: {values}, {changes[name]:+.2f} standard deviations;", end=" ")
        print(f"largest side effect: {other} {changes[other]:+.2f}")
print(f"hear the songs in {OUT}/, plain.mid first")
