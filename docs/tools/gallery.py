"""Draw the pictures of docs/gallery.md from shipped checkpoints and built-in corpora.

    python -m docs.tools.gallery                       # all: a quarter of an hour on two cores
    python -m docs.tools.gallery song sound            # only these
    python -m docs.tools.gallery evaluation --limit 64 # with fewer windows
    python -m docs.tools.gallery curves --run checkpoints/melody-2bar

Sounds go to docs/assets/. Pictures go to docs/gallery/, reduced to a palette of about a hundred
colors; those of report pages need a Chromium (`docs/tools/browser.py`).
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from docs.tools.browser import chromium, tab
from experiments.denoising import corrupt_song
from experiments.steering import effects
from musicvae import MusicVAE, Song, estimate_barlines, plots, train
from musicvae.attributes import ATTRIBUTES
from musicvae.checkpoints import find
from musicvae.data import corpora
from musicvae.evaluation import evaluate
from musicvae.io import read
from musicvae.io.audio.render import RenderOptions, render
from musicvae.plots import DARK, LIGHT, Theme
from musicvae.report import interpolation_page, songs_page
from musicvae.representation.bars import Bars
from musicvae.tools.embed import embed
from musicvae.tools.explore import project_2d

FOLDER = Path(__file__).parents[1] / "gallery"
N_COLORS, N_COLORS_PHOTO = 96, 160
_PHOTO_LIKE = ("sound", "page", "map")  # pictures with many shades


class Gallery:
    """Models, corpora and output folder of the pictures."""

    def __init__(self, out: Path, data: Path, limit: int, run: Path | None) -> None:
        self.out, self.data, self.limit, self.run = out, data, limit, run
        out.mkdir(parents=True, exist_ok=True)

    def corpus(self, name: str) -> Path:
        """Return the folder of a corpus, exported if it is missing."""
        folder = self.data / name
        if not folder.is_dir():
            corpora.export(name, folder)
        return folder

    def song(self, corpus: str, stem: str) -> Song:
        """Return a song of a corpus with its notated bar lines."""
        return read(self.corpus(corpus) / f"{stem}.mid")

    def model(self, name: str) -> MusicVAE:
        """Load a shipped model."""
        return MusicVAE.load(find(name), device="cpu")

    def draw(self, name: str, draw: Callable[[Path, Theme], object], *themes: Theme) -> None:
        """Draw a picture in these themes; the name of the first has no suffix."""
        for index, theme in enumerate(themes):
            path = self.out / (f"{name}-{theme.name}.png" if index else f"{name}.png")
            draw(path, theme)
            reduce_palette(path)
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def reduce_palette(path: Path) -> None:
    """Reduce a picture to a palette, to make it small."""
    n_colors = N_COLORS_PHOTO if path.stem.startswith(_PHOTO_LIKE) else N_COLORS
    with Image.open(path) as picture:
        flat = picture.convert("RGB")
    flat.quantize(n_colors, dither=Image.Dither.NONE).save(path, optimize=True)


def draw_song(gallery: Gallery) -> None:
    """Draw a sampled song for four voices."""
    song = gallery.model("chorale-4bar").sample(8, bars=16, seed=1)[1]
    gallery.draw(
        "song", lambda p, theme: plots.plot_song(song, p, "song-02", theme=theme), LIGHT, DARK
    )


def write_sounds(gallery: Gallery) -> None:
    """Write the sound of three sampled songs, small enough for a page."""
    songs = {
        "song": gallery.model("chorale-4bar").sample(8, bars=16, seed=1)[1],
        "tune": gallery.model("melody-2bar").sample(8, bars=16, seed=1)[1],
        "beat": sampled_beat(gallery),
    }
    for name, song in songs.items():
        samples, rate = render(song, RenderOptions(rate=24_000))
        path = gallery.out.parent / "assets" / f"{name}.mp3"
        with soundfile.SoundFile(
            path, "w", samplerate=rate, channels=1, format="MP3",
            compression_level=0.85, bitrate_mode="CONSTANT",
        ) as file:  # fmt: skip
            file.write(samples.mean(1))
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def sampled_beat(gallery: Gallery) -> Song:
    """Return the fullest of eight sampled drum beats."""
    songs = gallery.model("groove-2bar").sample(8, bars=8, seed=3)
    return max(songs, key=lambda song: song.n_notes)


def draw_beat(gallery: Gallery) -> None:
    """Draw a sampled drum beat."""
    song = sampled_beat(gallery)
    gallery.draw("beat", lambda p, theme: plots.plot_song(song, p, "beat-01", theme=theme), DARK)


def draw_lied(gallery: Gallery) -> None:
    """Draw a sampled song for voice and piano."""
    song = gallery.model("song-4bar").sample(4, bars=8, seed=2)[0]
    gallery.draw("lied", lambda p, theme: plots.plot_song(song, p, "lied-01", theme=theme), LIGHT)


def draw_changes(gallery: Gallery) -> None:
    """Draw the note edits and the anomalies of a corrupted chorale."""
    model = gallery.model("chorale-repair")
    bars = Bars.from_song(gallery.song("chorales", "bwv0028-06")).at(
        model.preset.grid.steps_per_quarter
    )
    kinds = {
        "pitch_substitution": 0.04,
        "onset_jitter": 0.03,
        "deletion": 0.015,
        "insertion": 0.015,
    }
    song = corrupt_song(bars, kinds, 2).at(24).to_song()
    found = model.denoise(song)

    def changes(path: Path, theme: Theme) -> object:
        return plots.plot_note_edits(
            found.original, found.song, path, "A chorale, denoised", theme=theme
        )

    gallery.draw("changes", changes, LIGHT)
    scores = model.anomalies(song)
    names = [part.name for part in song.parts]
    fields = (scores.bar_numbers, scores.bar_scores, scores.part_scores, names)

    def anomalies(path: Path, theme: Theme) -> object:
        line = f"anomaly score {scores.anomaly_score:+.1f}, reference: {scores.reference}"
        title = "The same chorale before denoising"
        return plots.plot_anomalies(*fields, path, title, line, theme=theme)

    gallery.draw("score", anomalies, LIGHT)


def draw_interpolation(gallery: Gallery) -> None:
    """Draw an interpolation, a grid and a morph."""
    model = gallery.model("chorale-4bar")
    a, b = (estimate_barlines(gallery.song("chorales", stem)) for stem in ("bwv0269", "bwv0347"))
    songs = model.interpolate(a, b, steps=7)
    names = ["A", *(f"{k / 6:.2f}" for k in range(1, 6)), "B"]

    def sequence(path: Path, theme: Theme) -> object:
        title = "bwv0269 to bwv0347"
        return plots.plot_comparison(
            songs, path, title, model.preset.name, names=names, theme=theme
        )

    gallery.draw("way", sequence, LIGHT)
    model = gallery.model("melody-2bar")
    stems = [
        path.stem for path in sorted(gallery.corpus("folk").glob("oneills-*.mid"))[700:1500:200]
    ]
    corners = [estimate_barlines(gallery.song("folk", stem)) for stem in stems]
    rows = model.grid(*corners[:4], 5)

    def grid(path: Path, theme: Theme) -> object:
        return plots.plot_grid(rows, path, "Between four tunes", model.preset.name, theme=theme)

    gallery.draw("square", grid, DARK)
    tunes = [next(gallery.corpus("folk").glob(f"oneills-{n}-*.mid")) for n in ("0791", "1472")]
    start, end = (estimate_barlines(read(path)) for path in tunes)
    morph = model.morph(start, end, bars=24)
    gallery.draw("morph", lambda p, theme: plots.plot_song(morph, p, "A morph", theme=theme), LIGHT)


def draw_map(gallery: Gallery) -> None:
    """Draw a map of folk tunes, colored by density."""
    model = gallery.model("melody-2bar")
    files = sorted(gallery.corpus("folk").glob("*.mid"))[::5]
    songs = embed(model, files, read=lambda path: estimate_barlines(read(path)))
    projection, density = project_2d(songs), songs.attribute("density")
    marked = [(400, Path(songs.names[400]).stem)]

    def draw(path: Path, theme: Theme) -> object:
        axes = [
            f"{share:.0%} of the variance" + (f" ({name})" if name else "")
            for share, name in zip(projection.explained, projection.axes, strict=True)
        ]
        title = f"{len(songs)} songs in the latent space of {model.preset.name}"
        name = f"density ({ATTRIBUTES['density'].unit})"
        labels = {"title": title, "color_name": name, "axis_names": (axes[0], axes[1])}
        return plots.plot_song_map(
            projection.points, density, path, theme=theme, marked=marked, **labels
        )

    gallery.draw("map", draw, LIGHT)


def draw_latents(gallery: Gallery) -> None:
    """Draw the latents of a tune."""
    stem = sorted(gallery.corpus("folk").glob("airds-*.mid"))[31].stem
    encoding = gallery.model("melody-2bar").encode(estimate_barlines(gallery.song("folk", stem)))
    gallery.draw(
        "latents", lambda p, theme: plots.plot_latents(encoding, p, stem, theme=theme), DARK
    )


def draw_sound(gallery: Gallery) -> None:
    """Draw the spectrogram of a rendered song."""
    song = gallery.model("chorale-4bar").sample(8, bars=8, seed=1)[1]
    samples, rate = render(song)

    def draw(path: Path, theme: Theme) -> object:
        return plots.plot_spectrogram(
            samples, rate, path, "song-02, rendered", song=song, theme=theme
        )

    gallery.draw("sound", draw, DARK)


def draw_steering(gallery: Gallery) -> None:
    """Draw the effect of steering one attribute on all attributes."""
    found = effects(gallery.model("melody-2bar"), gallery.corpus("folk"), limit=8, most=8)
    marked = np.eye(len(found.names), dtype=bool)

    def draw(path: Path, theme: Theme) -> object:
        facts = f"rows: target, columns: effect, per unit  ·  {found.songs} held-out songs"
        title = "Effect of steering"
        return plots.plot_heatmap(
            found.slopes, found.names, found.names, path, title, facts, marked=marked, theme=theme
        )

    gallery.draw("steering", draw, LIGHT)


def draw_curves(gallery: Gallery) -> None:
    """Draw the curves of the given run, or of a minute with the smallest preset."""
    with tempfile.TemporaryDirectory() as folder:
        run = gallery.run or Path(folder) / "run"
        if gallery.run is None:
            train(gallery.corpus("folk"), "tiny", run, minutes=1, device="cpu")
        rows = list(csv.DictReader((run / "metrics.csv").open()))

    def draw(path: Path, theme: Theme) -> object:
        return plots.plot_training_curves(rows, path, "A training run", theme=theme)

    gallery.draw("curves", draw, DARK)


def draw_evaluation(gallery: Gallery) -> None:
    """Draw the evaluation of a model."""
    model = gallery.model("melody-2bar")
    found = evaluate(model, gallery.corpus("folk"), limit=gallery.limit, n=gallery.limit, seed=0)

    def draw(path: Path, theme: Theme) -> object:
        title = "melody-2bar on folk, test songs"
        distributions = found.comparison.distributions
        return plots.plot_evaluation(found.to_dict(), distributions, path, title, theme=theme)

    gallery.draw("evaluation", draw, LIGHT, DARK)


def draw_pages(gallery: Gallery) -> None:
    """Take screenshots of report pages."""
    if chromium() is None:
        print("Chromium is not installed: no pictures of pages")
        return
    model = gallery.model("chorale-4bar")
    songs = model.sample(2, bars=8, seed=1)
    a, b = (estimate_barlines(gallery.song("chorales", stem)) for stem in ("bwv0269", "bwv0347"))
    interpolated = model.interpolate(a, b, steps=7)
    names = ["A", *(f"{k / 6:.2f}" for k in range(1, 6)), "B"]
    with tempfile.TemporaryDirectory() as folder, tab() as page_tab:
        songs_html = songs_page(
            "Songs sampled from chorale-4bar", "seed 1", songs, ["song-01", "song-02"]
        ).save(Path(folder) / "songs.html")
        interpolation_html = interpolation_page(
            "bwv0269 to bwv0347", "chorale-4bar", interpolated, names
        ).save(Path(folder) / "way.html")

        def screenshot(page: Path, width: int, height: int) -> Callable[[Path, Theme], object]:
            def draw(path: Path, theme: Theme) -> None:
                page_tab.show(page, width=width, height=height, dark=theme is DARK)
                page_tab.evaluate(
                    "document.querySelector('article.song:not([hidden]) .play').click()"
                )
                time.sleep(4)
                page_tab.screenshot(path)

            return draw

        gallery.draw("page-songs", screenshot(songs_html, 900, 640), DARK)
        gallery.draw("page-way", screenshot(interpolation_html, 900, 560), LIGHT)
        gallery.draw("page-phone", screenshot(interpolation_html, 390, 760), LIGHT)


DRAWERS: dict[str, Callable[[Gallery], None]] = {
    "song": draw_song,
    "sounds": write_sounds,
    "beat": draw_beat,
    "lied": draw_lied,
    "changes": draw_changes,
    "interpolation": draw_interpolation,
    "map": draw_map,
    "latents": draw_latents,
    "sound": draw_sound,
    "steering": draw_steering,
    "curves": draw_curves,
    "evaluation": draw_evaluation,
    "pages": draw_pages,
}


def main() -> None:
    """Parse the options and draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(DRAWERS)}")
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument(
        "--data", type=Path, default=Path("data"), help="folder of the exported corpora"
    )
    parser.add_argument("--limit", type=int, default=1024, help="number of windows to evaluate")
    parser.add_argument("--run", type=Path, help="run whose curves to draw; by default a new one")
    args = parser.parse_args()
    if unknown := set(args.names) - set(DRAWERS):
        parser.error(
            f"unknown pictures {', '.join(sorted(unknown))}; there are {', '.join(DRAWERS)}"
        )
    gallery = Gallery(args.out, args.data, args.limit, args.run)
    for name in args.names or DRAWERS:
        DRAWERS[name](gallery)


if __name__ == "__main__":
    main()
