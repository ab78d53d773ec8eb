"""The pictures of docs/gallery.md, from shipped weights and built-in corpora.

    python docs/tools/gallery.py                       # all of them, a quarter of an hour on two cores
    python docs/tools/gallery.py song way sound        # these
    python docs/tools/gallery.py evaluation --limit 64 # with fewer windows
    python docs/tools/gallery.py curves --run checkpoints/melody-2bar

Pictures go to docs/gallery/. They are kept small: a palette of some hundred colours. Those of pages
need a Chromium (`docs/tools/browser.py`).
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from browser import chromium, tab
from PIL import Image
from repair import damaged
from steering import effects

from musicvae import MusicVAE, Song, align, plots, train
from musicvae.attributes import ATTRIBUTES
from musicvae.checkpoints import find
from musicvae.data import corpora
from musicvae.evaluation import evaluate
from musicvae.io import read
from musicvae.io.audio.render import render
from musicvae.plots import DARK, LIGHT, Theme
from musicvae.report import songs_page, way_page
from musicvae.representation.bars import Bars
from musicvae.tools.embed import encoded_paths
from musicvae.tools.explore import song_map

FOLDER = Path(__file__).parents[1] / "docs" / "gallery"
_COLOURS, _MANY = 96, ("sound", "page", "map")


class Gallery:
    """What the pictures are made of, and where they go."""

    def __init__(self, out: Path, data: Path, limit: int, run: Path | None) -> None:
        self.out, self.data, self.limit, self.run = out, data, limit, run
        out.mkdir(parents=True, exist_ok=True)

    def corpus(self, name: str) -> Path:
        """A built-in corpus as MIDI."""
        folder = self.data / name
        if not folder.is_dir():
            corpora.export(name, folder)
        return folder

    def song(self, corpus: str, stem: str) -> Song:
        """One of its songs, bar lines as written."""
        return read(self.corpus(corpus) / f"{stem}.mid")

    def model(self, name: str) -> MusicVAE:
        """A shipped model."""
        return MusicVAE.load(find(name), device="cpu")

    def draw(self, name: str, how: Callable[[Path, Theme], object], *looks: Theme) -> None:
        """Draw a picture in these looks; the first has the plain name."""
        for nth, look in enumerate(looks):
            path = self.out / (f"{name}-{look.name}.png" if nth else f"{name}.png")
            how(path, look)
            small(path)
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def small(path: Path) -> None:
    """Give a picture a palette, and rid it of what it does not need."""
    colours = 160 if path.stem.startswith(_MANY) else _COLOURS
    with Image.open(path) as picture:
        flat = picture.convert("RGB")
    flat.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)


def draw_song(to: Gallery) -> None:
    """A new song: four voices."""
    song = to.model("chorale-4bar").sample(8, bars=16, seed=1)[1]
    to.draw("song", lambda p, look: plots.plot_song(song, p, "song-02", look=look), LIGHT, DARK)


def draw_beat(to: Gallery) -> None:
    """A new beat: drums alone."""
    song = max(to.model("groove-2bar").sample(8, bars=8, seed=3), key=lambda made: made.n_notes)
    to.draw("beat", lambda p, look: plots.plot_song(song, p, "beat-01", look=look), DARK)


def draw_lied(to: Gallery) -> None:
    """A new song for voice and piano."""
    song = to.model("song-4bar").sample(4, bars=8, seed=2)[0]
    to.draw("lied", lambda p, look: plots.plot_song(song, p, "lied-01", look=look), LIGHT)


def draw_changes(to: Gallery) -> None:
    """A chorale, damaged and mended; and how odd its bars are."""
    model = to.model("chorale-repair")
    bars = Bars.from_song(to.song("chorales", "bwv0028-06")).at(model.preset.grid.steps_per_quarter)
    kinds = {"wrong": 0.04, "jitter": 0.03, "dropped": 0.015, "added": 0.015}
    song = damaged(bars, kinds, 2).at(24).to_song()
    found = model.denoise(song)

    def changes(path: Path, look: Theme) -> object:
        return plots.plot_changes(found.original, found.song, path, "A chorale, mended", look=look)

    to.draw("changes", changes, LIGHT)
    scores = model.score(song)
    names = [part.name for part in song.parts]
    told = (scores.numbers, scores.bars, scores.parts, names)

    def odd(path: Path, look: Theme) -> object:
        line = f"oddity {scores.oddity:+.1f} beside the {scores.against}"
        return plots.plot_scores(*told, path, "The same, before it was mended", line, look=look)

    to.draw("score", odd, LIGHT)


def draw_ways(to: Gallery) -> None:
    """A strip, a square and a morph."""
    model = to.model("chorale-4bar")
    a, b = (align(to.song("chorales", stem)) for stem in ("bwv0269", "bwv0347"))
    songs = model.interpolate(a, b, steps=7)
    names = ["A", *(f"{k / 6:.2f}" for k in range(1, 6)), "B"]

    def strip(path: Path, look: Theme) -> object:
        title = "bwv0269 to bwv0347"
        return plots.plot_strip(songs, path, title, model.preset.name, names=names, look=look)

    to.draw("way", strip, LIGHT)
    model = to.model("melody-2bar")
    stems = [path.stem for path in sorted(to.corpus("folk").glob("oneills-*.mid"))[700:1500:200]]
    corners = [align(to.song("folk", stem)) for stem in stems]
    rows = model.grid(*corners[:4], 5)

    def square(path: Path, look: Theme) -> object:
        return plots.plot_square(rows, path, "Between four tunes", model.preset.name, look=look)

    to.draw("square", square, DARK)
    ends = [next(to.corpus("folk").glob(f"oneills-{n}-*.mid")) for n in ("0791", "1472")]
    one, other = (align(read(path)) for path in ends)
    made = model.morph(one, other, bars=24)
    to.draw("morph", lambda p, look: plots.plot_song(made, p, "A morph", look=look), LIGHT)


def draw_map(to: Gallery) -> None:
    """Tunes as points, by density."""
    model = to.model("melody-2bar")
    files = sorted(to.corpus("folk").glob("*.mid"))[::5]
    songs = encoded_paths(model, files, lambda path: align(read(path)))
    found, density = song_map(songs), songs.attribute("density")
    one = [(400, Path(songs.names[400]).stem)]

    def drawn(path: Path, look: Theme) -> object:
        axes = [
            f"{share:.0%} of the variance" + (f" ({words})" if words else "")
            for share, words in zip(found.explained, found.axes, strict=True)
        ]
        title = f"{len(songs)} songs in the latent space of {model.preset.name}"
        name = f"density ({ATTRIBUTES['density'].unit})"
        places = {"title": title, "colour_name": name, "axis_names": (axes[0], axes[1])}
        return plots.plot_map(found.points, density, path, look=look, marked=one, **places)

    to.draw("map", drawn, LIGHT)


def draw_latents(to: Gallery) -> None:
    """A tune as the model has it."""
    stem = sorted(to.corpus("folk").glob("airds-*.mid"))[31].stem
    encoding = to.model("melody-2bar").encode(align(to.song("folk", stem)))
    to.draw("latents", lambda p, look: plots.plot_latents(encoding, p, stem, look=look), DARK)


def draw_sound(to: Gallery) -> None:
    """What a song sounds like."""
    song = to.model("chorale-4bar").sample(8, bars=8, seed=1)[1]
    samples, rate = render(song)

    def drawn(path: Path, look: Theme) -> object:
        return plots.plot_sound(samples, rate, path, "song-02, rendered", song=song, look=look)

    to.draw("sound", drawn, DARK)


def draw_steering(to: Gallery) -> None:
    """What asking for one attribute does to all."""
    found = effects(to.model("melody-2bar"), to.corpus("folk"), limit=8, most=8)
    framed = np.eye(len(found.names), dtype=bool)

    def drawn(path: Path, look: Theme) -> object:
        facts = f"rows asked for, columns moved, a unit each  ·  {found.songs} songs held out"
        told = (found.slopes, found.names, found.names, path, "What a knob turns", facts)
        return plots.plot_matrix(*told, marked=framed, look=look)

    to.draw("steering", drawn, LIGHT)


def draw_curves(to: Gallery) -> None:
    """A training run: the one that was named, or a minute of the smallest preset."""
    with tempfile.TemporaryDirectory() as folder:
        run = to.run or Path(folder) / "run"
        if to.run is None:
            train(to.corpus("folk"), "tiny", run, minutes=1, device="cpu")
        rows = list(csv.DictReader((run / "metrics.csv").open()))

    def drawn(path: Path, look: Theme) -> object:
        return plots.plot_curves(rows, path, "A training run", look=look)

    to.draw("curves", drawn, DARK)


def draw_evaluation(to: Gallery) -> None:
    """How good a model is."""
    model = to.model("melody-2bar")
    found = evaluate(model, to.corpus("folk"), limit=to.limit, n=to.limit, seed=0)

    def drawn(path: Path, look: Theme) -> object:
        told = (found.to_dict(), found.comparison.distributions, path)
        return plots.plot_evaluation(*told, "melody-2bar on folk, test songs", look=look)

    to.draw("evaluation", drawn, LIGHT, DARK)


def draw_pages(to: Gallery) -> None:
    """Reports, as a browser shows them."""
    if chromium() is None:
        print("no Chromium here: no pictures of pages")
        return
    model = to.model("chorale-4bar")
    songs = model.sample(2, bars=8, seed=1)
    a, b = (align(to.song("chorales", stem)) for stem in ("bwv0269", "bwv0347"))
    way = model.interpolate(a, b, steps=7)
    names = ["A", *(f"{k / 6:.2f}" for k in range(1, 6)), "B"]
    with tempfile.TemporaryDirectory() as folder, tab() as one:
        new = songs_page("New songs by chorale-4bar", "seed 1", songs, ["song-01", "song-02"]).save(
            Path(folder) / "songs.html"
        )
        between = way_page("bwv0269 to bwv0347", "chorale-4bar", way, names).save(
            Path(folder) / "way.html"
        )

        def shot(page: Path, width: int, height: int) -> Callable[[Path, Theme], object]:
            def drawn(path: Path, look: Theme) -> None:
                one.show(page, width=width, height=height, dark=look is DARK)
                one.ask("document.querySelector('article.song:not([hidden]) .play').click()")
                time.sleep(4)
                one.picture(path)

            return drawn

        to.draw("page-songs", shot(new, 900, 640), DARK)
        to.draw("page-way", shot(between, 900, 560), LIGHT)
        to.draw("page-phone", shot(between, 390, 760), LIGHT)


DRAWERS: dict[str, Callable[[Gallery], None]] = {
    "song": draw_song,
    "beat": draw_beat,
    "lied": draw_lied,
    "changes": draw_changes,
    "ways": draw_ways,
    "map": draw_map,
    "latents": draw_latents,
    "sound": draw_sound,
    "steering": draw_steering,
    "curves": draw_curves,
    "evaluation": draw_evaluation,
    "pages": draw_pages,
}


def main() -> None:
    """Read the options, draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(DRAWERS)}")
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--data", type=Path, default=Path("data"), help="where corpora are, or go")
    parser.add_argument("--limit", type=int, default=1024, help="windows that are evaluated")
    parser.add_argument("--run", type=Path, help="a run whose curves are drawn; else one is made")
    args = parser.parse_args()
    if unknown := set(args.names) - set(DRAWERS):
        parser.error(f"no pictures {', '.join(sorted(unknown))}; there are {', '.join(DRAWERS)}")
    to = Gallery(args.out, args.data, args.limit, args.run)
    for name in args.names or DRAWERS:
        DRAWERS[name](to)


if __name__ == "__main__":
    main()
