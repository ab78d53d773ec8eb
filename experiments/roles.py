"""Accuracy of part roles, with names and programs or without: the table of docs/parts.md.

    python -m experiments.roles CHORALES FOLK LIEDER FREEDOOM [--every 1]

Four folders of MIDI: chorales and folk tunes as exported by `musicvae corpus export`, songs for
voice and piano with one part a staff, and band files. True roles follow from names and programs:
the four voices; the singer is the melody and the piano chords; of a piano alone the right hand is
the melody, the left one chords or bass; in bands bass programs, lead and rhythm guitars, pads.
Prints accuracy for each kind of part, and the run time relative to reading.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from musicvae.errors import MusicVAEError
from musicvae.io import read
from musicvae.representation.roles import classify_roles
from musicvae.representation.tracks import merge_tracks
from musicvae.song import Part, Song

Known = tuple[Song, list[tuple[int, str, tuple[str, ...]]]]  # a song; its parts' kinds and roles
_PIANO = re.compile("piano|klavier|pianoforte", re.IGNORECASE)
_VIEWS = ("as they are", "names hidden", "programs too")


def songs(folder: str, every: int, seconds: list[float]) -> Iterator[Song]:
    """Yield the readable songs of a folder; append the time each took to `seconds`."""
    for path in sorted(Path(folder).rglob("*.mid"))[::every]:
        began = time.perf_counter()
        try:
            song = read(path)
        except MusicVAEError as error:
            click.echo(f"skipped {error}", err=True)
            continue
        seconds.append(time.perf_counter() - began)
        yield song


def chorale(song: Song) -> Iterator[Known]:
    """Four voices."""
    of = {"Soprano": ("melody",), "Alto": ("other",), "Tenor": ("other",), "Bass": ("bass",)}
    yield song, [(i, f"chorale {p.name.lower()}", of[p.name]) for i, p in enumerate(song.parts)]


def tune(song: Song) -> Iterator[Known]:
    """One line."""
    yield song, [(0, "folk tune", ("melody",))]


def lied(song: Song) -> Iterator[Known]:
    """A singer and a piano; the piano alone in one track; its two hands alone."""
    parts = [part for part in song.parts if len(part)]
    hands = [part for part in parts if _PIANO.search(part.name)]
    if len(parts) != 3 or len(hands) != 2 or parts[0] in hands:
        return
    merged = merge_tracks(replace(song, parts=tuple(parts)))[0]
    yield merged, [(0, "lied singer", ("melody",)), (1, "lied piano", ("chords",))]
    yield replace(song, parts=merged.parts[1:]), [(0, "piano alone", ("chords",))]
    if hands[0].pitch.mean() > hands[1].pitch.mean():
        known = [(0, "right hand", ("melody",)), (1, "left hand", ("chords", "bass"))]
        yield replace(song, parts=tuple(hands)), known


def band(song: Song) -> Iterator[Known]:
    """Many parts, of which some say what they are."""
    song = merge_tracks(song)[0]
    known = []
    for i, part in enumerate(song.parts):
        name = part.name.lower()
        if part.is_drum:
            known.append((i, "band drums", ("drums",)))
        elif 32 <= part.program < 40:
            known.append((i, "band bass", ("bass",)))
        elif re.search("lead guitar|^melody|^led$", name):
            known.append((i, "band lead", ("melody",)))
        elif re.search("rhythm|chords|pad", name):
            known.append((i, "band rhythm and pads", ("chords",)))
    yield song, known


def hidden(song: Song, view: str) -> Song:
    """Return a song with names and programs hidden as the view demands."""

    def part(one: Part) -> Part:
        if view == "as they are":
            return one
        return replace(one, name="", program=one.program if view == "names hidden" else 0)

    return replace(song, parts=tuple(part(one) for one in song.parts))


@click.command()
@click.argument("chorales")
@click.argument("folk")
@click.argument("lieder")
@click.argument("bands")
@click.option("--every", default=1, help="Take each Nth file only.")
@click.option("--wrong", is_flag=True, help="Print misclassified parts.")
def main(chorales: str, folk: str, lieder: str, bands: str, every: int, wrong: bool) -> None:
    """Classify the parts of four folders."""
    right: Counter[tuple[str, str]] = Counter()
    many: Counter[str] = Counter()
    reading: list[float] = []
    classifying: list[float] = []
    for folder, kind in ((chorales, chorale), (folk, tune), (lieder, lied), (bands, band)):
        for song in songs(folder, every, reading):
            began = time.perf_counter()
            classify_roles(song)
            classifying.append(time.perf_counter() - began)
            for shown, known in kind(song):
                many.update(what for _, what, _ in known)
                for view in _VIEWS:
                    roles = classify_roles(hidden(shown, view))
                    for i, what, truth in known:
                        right[what, view] += roles[i].name in truth
                        if wrong and roles[i].name not in truth:
                            part = shown.parts[i]
                            click.echo(f"{view} {what} {part.name!r} {part.program} {roles[i]}")
    print("| part | parts |" + "".join(f" {view} |" for view in _VIEWS))
    print("|---|---|" + "---|" * len(_VIEWS))
    for what, total in many.items():
        shares = "".join(f" {right[what, view] / total:.1%} |" for view in _VIEWS)
        print(f"| {what} | {total} |{shares}")
    share = sum(classifying) / sum(reading)
    print(f"\nClassification takes {share:.2f} of the time of reading.")


if __name__ == "__main__":
    main()
