"""Kinds of chords as MusicXML names them, with degrees that are added, altered or left out.

Reading takes any kind with any degrees; `kind_of_quality` is the inverse for the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from musicvae.chords.chord import NO_CHORD, Chord, nearest_chord
from musicvae.chords.spelling import degree_fifths, degree_number, degrees_by_number, format_degree
from musicvae.chords.symbols import parse_symbol_degrees
from musicvae.chords.vocabulary import QUALITIES

_KINDS = {
    "major": "1 3 5",
    "minor": "1 b3 5",
    "augmented": "1 3 #5",
    "diminished": "1 b3 b5",
    "dominant": "1 3 5 b7",
    "major-seventh": "1 3 5 7",
    "minor-seventh": "1 b3 5 b7",
    "diminished-seventh": "1 b3 b5 bb7",
    "augmented-seventh": "1 3 #5 b7",
    "half-diminished": "1 b3 b5 b7",
    "major-minor": "1 b3 5 7",
    "major-sixth": "1 3 5 6",
    "minor-sixth": "1 b3 5 6",
    "dominant-ninth": "1 3 5 b7 9",
    "major-ninth": "1 3 5 7 9",
    "minor-ninth": "1 b3 5 b7 9",
    "dominant-11th": "1 3 5 b7 9 11",
    "major-11th": "1 3 5 7 9 11",
    "minor-11th": "1 b3 5 b7 9 11",
    "dominant-13th": "1 3 5 b7 9 13",
    "major-13th": "1 3 5 7 9 13",
    "minor-13th": "1 b3 5 b7 9 13",
    "suspended-second": "1 2 5",
    "suspended-fourth": "1 4 5",
    "Neapolitan": "b2 4 b6",
    "Italian": "b6 1 #4",
    "French": "b6 1 2 #4",
    "German": "b6 1 b3 #4",
    "pedal": "1",
    "power": "1 5",
    "Tristan": "1 #4 #6 #9",
    "other": "1",
}
"""Degrees of each kind; those of functional chords (Neapolitan) are above the tonic."""
_ROOTS = {"neapolitan": "b2", "italian": "b6", "french": "b6", "german": "b6"}
"""Degree above the tonic that is the root of a functional chord."""
_UNOFFICIAL = {
    "dominant-seventh": "dominant",
    "dominant-eleventh": "dominant-11th",
    "dominant-thirteenth": "dominant-13th",
    "major-eleventh": "major-11th",
    "major-thirteenth": "major-13th",
    "minor-eleventh": "minor-11th",
    "minor-thirteenth": "minor-13th",
    "minor-major": "major-minor",
    "major-minor-seventh": "major-minor",
    "minor-major-seventh": "major-minor",
    "half-diminished-seventh": "half-diminished",
    "suspended": "suspended-fourth",
}
"""Names that some programs write for the kinds above."""
_DEGREES = {
    **{name.lower(): degrees for name, degrees in _KINDS.items()},
    **{name: _KINDS[official] for name, official in _UNOFFICIAL.items()},
    "augmented-ninth": "1 3 #5 b7 9",
}

_WRITTEN_KINDS = [
    name
    for name in _KINDS
    if name.lower() not in _ROOTS and name not in ("Tristan", "other", "pedal")
]


class Degree(NamedTuple):
    """A change of a degree of a kind: its number, an alteration in semitones, and what is done.

    `change` is `add`, `alter` or `subtract`, as MusicXML has it.
    """

    number: int
    alter: int
    change: str


def chord_of_kind(
    root: int,
    kind: str,
    degrees: Iterable[Degree] = (),
    *,
    bass: int | None = None,
    inversion: int = 0,
    text: str = "",
) -> tuple[Chord, bool] | None:
    """Return the chord of the vocabulary nearest to a kind; whether it is the same.

    `root` and `bass` are in fifths above C. Of `inversion` the bass is computed where there is no
    `bass`. A kind that is not known, or `other`, is read from its `text`, as a symbol has it. None
    if nothing tells the kind, or a name is out of range.
    """
    return _find_chord(root, kind, tuple(degrees), bass, inversion, text)


@lru_cache(maxsize=4096)
def _find_chord(
    root: int, kind: str, degrees: tuple[Degree, ...], bass: int | None, inversion: int, text: str
) -> tuple[Chord, bool] | None:
    """Return what `chord_of_kind` does; scores repeat few chords."""
    name = kind.lower()
    if name == "none":
        return NO_CHORD, True
    if name in _DEGREES and name != "other":
        found = set(_DEGREES[name].split())
    elif (in_text := _degrees_of_text(name, kind, text)) is not None:
        found, degrees = in_text, ()  # the text has them
    elif name == "other" and degrees:
        found = {"1"}
    else:
        return None
    if root_degree := _ROOTS.get(name):
        interval = degree_fifths(root_degree)
        root += interval
        found = {format_degree(degree_fifths(degree) - interval) for degree in found}
    for degree in degrees:
        _change(found, degree)
    parsed = nearest_chord(root, found, bass=bass, inversion=inversion)
    return parsed and (parsed[0], parsed[1] and name not in _ROOTS)


def _degrees_of_text(name: str, kind: str, text: str) -> set[str] | None:
    """Return the degrees that a text tells, or the name of an unknown kind; a major triad of none.

    Without a text, `other` tells nothing.
    """
    symbol = text.strip() or ("" if name == "other" else kind)
    return parse_symbol_degrees(symbol) if symbol or not name else None


def kind_of_quality(quality: int) -> tuple[str, list[Degree]]:
    """Return the kind of a quality of the vocabulary and its degrees; see `chord_of_kind`."""
    wanted = set(QUALITIES[quality].degrees)
    if not wanted:
        return "none", []
    found = [(name, _changes_between(set(_KINDS[name].split()), wanted)) for name in _WRITTEN_KINDS]
    return min(found, key=lambda pair: (_cost(pair[1]), -len(_KINDS[pair[0]])))


def _changes_between(have: set[str], wanted: set[str]) -> list[Degree]:
    """Return the changes that make degrees of others."""
    numbers = {degree_number(degree): degree for degree in have - wanted}
    changes = []
    for degree in sorted(wanted - have, key=degree_number):
        number = degree_number(degree)
        if before := numbers.pop(number, ""):
            alter = _alteration(degree) - _alteration(before)
            changes.append(Degree(number, alter, "alter"))
        else:
            alter = _alteration(degree) - _added_alteration(number)
            changes.append(Degree(number, alter, "add"))
    return changes + [Degree(number, 0, "subtract") for number in sorted(numbers)]


def _cost(changes: list[Degree]) -> int:
    """Return how unusual changes are: usual are degrees that are added, and an altered fifth."""
    costs = {"add": 1, "subtract": 2, "alter": 2}
    return sum(
        abs(c.alter) if (c.change, c.number) == ("alter", 5) else costs[c.change] for c in changes
    )


def _change(degrees: set[str], change: Degree) -> None:
    """Add, alter or leave out a degree of a chord, in place."""
    here = {degree for degree in degrees if degree_number(degree) == change.number}
    if change.change == "subtract":
        degrees.difference_update(here)
    elif change.change == "alter" and here:
        degrees.difference_update(here)
        before = _alteration(degrees_by_number(here)[change.number])
        degrees.add(_altered(change.number, before + change.alter))
    else:
        alter = _added_alteration(change.number) + change.alter
        degrees.add(_altered(change.number, alter))


def _added_alteration(number: int) -> int:
    """Return the alteration of a degree that is added: those of a dominant chord."""
    return -1 if number == 7 else 0


def _alteration(degree: str) -> int:
    """Return the semitones by which a degree differs from that of a major scale."""
    return degree.count("#") - degree.count("b")


def _altered(number: int, alter: int) -> str:
    return "#" * alter + "b" * -alter + str(number)
