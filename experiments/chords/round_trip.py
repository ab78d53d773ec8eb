"""Chords there and back: lead sheets through every format, and made files in each.

    python -m experiments.chords.round_trip [FOLDER] [--made 200] [--seed 0]

Reads all scores of FOLDER, with their repeats, and writes each as MusicXML, MIDI and `.z`; chords
differ if one of their labels or places (in quarters) is another one after reading it again. Made
songs have random chords of the vocabulary: those of MusicXML and MIDI are written by this package,
those of ABC (symbols) and Humdrum (`**mxhm`, `**harte`, `**chord`) as text. Prints a table, and
which chords of the folder are outside the vocabulary.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from experiments.common import markdown_head, markdown_row
from musicvae import MusicVAE, latent
from musicvae.chords import NO_CHORD, QUALITIES, Chord, ChordMap, format_harte, format_symbol
from musicvae.chords.kinds import kind_of_quality
from musicvae.chords.spelling import format_name, pitch_class
from musicvae.errors import MusicVAEError
from musicvae.io import midi, musicxml_writer
from musicvae.io.notation.reader import read_bytes
from musicvae.io.options import ReadOptions
from musicvae.song import Part, Song

SUFFIXES = (".mxl", ".musicxml", ".xml", ".abc", ".krn")
Place = tuple[float, str]


def places(song: Song) -> list[Place]:
    """Return (quarters, label) of the chords of a song."""
    times = song.chords.ticks / song.ticks_per_quarter
    return list(zip(np.round(times, 6).tolist(), song.chords.labels(), strict=True))


def from_score(content: bytes | str) -> Song:
    """Read a score as written."""
    data = content.encode() if isinstance(content, str) else content
    return read_bytes(data, "made", ReadOptions()).song


class LatentFiles:
    """Songs through `.z` files of a shipped model."""

    def __init__(self, folder: Path) -> None:
        self.model, self.path = MusicVAE.load("melody-2bar", device="cpu"), folder / "a.z"

    def pass_through(self, song: Song) -> Song:
        """Return a song after it is encoded, saved, loaded and decoded."""
        latent.save(self.model.encode(song), self.path)
        return self.model.decode(latent.load(self.path).encoding)


def random_chord(rng: np.random.Generator) -> Chord:
    """Return a chord of the vocabulary, or no chord, with usual names."""
    quality = int(rng.integers(len(QUALITIES)))
    if not quality:
        return NO_CHORD
    root, bass = (int(rng.integers(-8, 11)) for _ in range(2))
    plain = rng.random() < 0.6 or pitch_class(root) == pitch_class(bass)
    return Chord(root, quality, root if plain else bass)


def random_song(rng: np.random.Generator) -> Song:
    """Return eighths with chords anywhere on the grid of 24 cells a quarter."""
    n = int(rng.integers(8, 64))
    melody = Part(
        onset_ticks=np.arange(n) * 240,
        duration_ticks=np.full(n, 240),
        pitch=rng.integers(55, 80, n),
        velocity=np.full(n, 80),
    )
    ticks = np.unique(rng.integers(0, 12 * n, int(rng.integers(1, 20)))) * 20
    chords = ChordMap.from_chords((int(tick), random_chord(rng)) for tick in ticks)
    return replace(Song.new([melody]), chords=chords)


def abc_text(chords: list[Chord]) -> str:
    """Return a tune with a chord a bar."""
    return "X:1\nM:4/4\nL:1/4\nK:C\n" + "".join(f'"{format_symbol(c)}"c4|' for c in chords) + "\n"


def humdrum_text(kind: str, labels: list[str]) -> str:
    """Return a piece with a chord a bar in a spine of `kind`."""
    lines = [f"1c\t{label}\n=\t=" for label in labels]
    return "\n".join([f"**kern\t**{kind}", "*M4/4\t*", *lines, "*-\t*-"])


def mxhm_label(chord: Chord) -> str | None:
    """Return the token of a chord in `**mxhm`, None if the kind alone does not tell it."""
    kind, degrees = kind_of_quality(chord.quality)
    if degrees or not chord.quality:
        return None if degrees else "none"
    root, bass = (format_name(name).replace("b", "-") for name in (chord.root, chord.bass))
    return f"{root} {kind}" + (f"/{bass}" if bass != root else "")


def made_text(kind: str, rng: np.random.Generator) -> tuple[str, list[Place]]:
    """Return a text with a chord a bar, and the chords that it states."""
    chords = [random_chord(rng) for _ in range(int(rng.integers(1, 20)))]
    if kind == "mxhm":
        chords = [chord for chord in chords if mxhm_label(chord)] or [NO_CHORD]
    formats: dict[str, Callable[[Chord], str | None]] = {
        "mxhm": mxhm_label,
        "harte": format_harte,
        "chord": format_symbol,
    }
    expected = [(4.0 * i, format_harte(chord)) for i, chord in enumerate(chords)]
    if kind == "abc":
        return abc_text(chords), expected
    return humdrum_text(kind, [formats[kind](chord) or "" for chord in chords]), expected


def main() -> None:
    """Run the experiment."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--made", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    counts: dict[tuple[str, str], list[int]] = {}
    outside: Counter[str] = Counter()

    def count(source: str, through: str, found: list[Place], wanted: list[Place]) -> None:
        row = counts.setdefault((source, through), [0, 0, 0])
        for column, n in enumerate((1, len(wanted), int(found != wanted))):
            row[column] += n

    with TemporaryDirectory() as folder:
        trips: dict[str, Callable[[Song], Song]] = {
            "MusicXML": lambda song: from_score(musicxml_writer.to_bytes(song)),
            "MIDI": lambda song: midi.from_bytes(midi.to_bytes(song)),
            ".z": LatentFiles(Path(folder)).pass_through,
        }
        found = sorted(options.folder.rglob("*")) if options.folder else []
        for path in (each for each in found if each.suffix in SUFFIXES):
            try:
                result = read_bytes(path.read_bytes(), path, ReadOptions(repeats=True))
            except MusicVAEError as error:
                print(error)
                continue
            for warning in result.warnings:
                if "outside the vocabulary" in warning:
                    outside[warning] += 1
            for name, trip in trips.items():
                count("files", name, places(trip(result.song)), places(result.song))
        rng = np.random.default_rng(options.seed)
        for _ in range(options.made):
            song = random_song(rng)
            for name, trip in trips.items():
                count("made", name, places(trip(song)), places(song))
            for kind in ("abc", "mxhm", "harte", "chord"):
                text, expected = made_text(kind, rng)
                count("made", kind, places(from_score(text)), expected)
    print(markdown_head(("source", "through", "songs", "chords", "songs that differ")))
    for (source, through), row in counts.items():
        print(markdown_row((source, through, *row)))
    for warning, n in outside.most_common():
        print(f"{n} files: {warning}")


if __name__ == "__main__":
    main()
