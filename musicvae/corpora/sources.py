"""Where the pieces of each corpus are in music21's installed corpus, and how one is read.

A book of ABC is cut into its tunes before music21 sees it: tunes are then read independently
(and in parallel), and a tune without a default length does not inherit its neighbour's.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from musicvae.corpora.scores import UnfitScoreError, song_of
from musicvae.errors import DataError
from musicvae.formats import midi

_CHOIR_AAHS, _FLUTE, _VIOLIN, _FIDDLE = 52, 73, 40, 110
_VOICES = ("Soprano", "Alto", "Tenor", "Bass")
_BOOKS = (  # folder in music21's corpus, prefix of the file names, GM program
    ("airdsAirs", "airds", _FLUTE),
    ("oneills1850", "oneills", _FIDDLE),
    ("ryansMammoth", "ryans", _VIOLIN),
)
_CHORALE_QPM = {"": 84.0, "3/4": 92.0, "3/2": 132.0}
# The medians of the metronome marks in Aird's Airs, the only one of the books that has them.
_FOLK_QPM = {
    "": 120.0,
    "2/2": 200.0,
    "2/4": 104.0,
    "3/2": 144.0,
    "3/4": 100.0,
    "3/8": 90.0,
    "6/4": 180.0,
    "6/8": 180.0,
    "9/8": 180.0,
    "12/8": 180.0,
}


@dataclass(frozen=True, kw_only=True)
class Source:
    """One piece of a corpus: the file name it gets, its title, its place, and its ABC if any."""

    stem: str
    title: str
    place: str  # file within music21's corpus, and the tune's number
    path: str
    program: int
    abc: str | None = None


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One piece as it is exported; `midi` are the bytes of its file."""

    stem: str
    title: str
    place: str
    bars: int
    notes: int
    pickup: bool
    grace: int
    overlapping: int
    rounded: bool
    midi: bytes


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A piece that is not exported, and why."""

    place: str
    reason: str


def music21_version() -> str:
    """Version of the installed music21, without importing it."""
    return version("music21")


def corpus_folder() -> Path:
    """The folder of music21's corpus, found without importing music21."""
    spec = find_spec("music21")
    for place in spec.submodule_search_locations or () if spec else ():
        folder = Path(place) / "corpus"
        if folder.is_dir():
            return folder
    raise DataError("music21's corpus is not installed; pip install --force-reinstall music21")


def find(name: str) -> list[Source]:
    """The pieces of the corpus `name`, in a fixed order, with unique stems."""
    found = list(_chorales() if name == "chorales" else _folk())
    if not found:
        raise DataError(f"music21's corpus holds no {name}; pip install --force-reinstall music21")
    return found


def read(source: Source) -> Piece | Skipped:
    """Parse one piece; what music21 cannot read, or is not wanted, is skipped with the reason."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            score = _parse(source)
            qpm = _CHORALE_QPM if source.abc is None else _FOLK_QPM
            reading = song_of(score, _voices(score, source), qpm)
    except UnfitScoreError as error:
        return Skipped(place=source.place, reason=str(error))
    note = f"{source.title}; {source.place} of music21's corpus"
    return Piece(
        stem=source.stem,
        title=source.title,
        place=source.place,
        bars=reading.n_bars,
        notes=reading.song.n_notes,
        pickup=reading.pickup,
        grace=reading.grace,
        overlapping=reading.overlapping,
        rounded=reading.rounded,
        midi=midi.to_bytes(reading.song, note=note),
    )


# -- chorales -------------------------------------------------------------------------------------


def _chorales() -> Iterator[Source]:
    folder = corpus_folder() / "bach"
    files = [f for f in folder.glob("bwv*") if f.suffix in (".mxl", ".xml", ".krn")]
    for file in sorted(files, key=lambda f: (chorale_stem(f), f.suffix != ".mxl")):
        title = f"Bach, BWV {file.stem.removeprefix('bwv')}"
        stem, place = chorale_stem(file), f"bach/{file.name}"
        yield Source(stem=stem, title=title, place=place, path=str(file), program=_CHOIR_AAHS)


def chorale_stem(file: Path) -> str:
    """``bwv248.42-4.mxl`` -> ``bwv0248-42-4``: BWV number in four digits, movement in two."""
    number, _, movement = file.stem.removeprefix("bwv").partition(".")
    number, _, variant = number.partition("-")
    pieces = re.split(r"[^0-9a-z]+", movement.lower())
    numbers = [f"{int(piece):02d}" if piece.isdigit() else piece for piece in pieces[:1]]
    return "-".join(x for x in (f"bwv{int(number):04d}", variant, *numbers, *pieces[1:]) if x)


# -- folk -----------------------------------------------------------------------------------------


def _folk() -> Iterator[Source]:
    taken: set[str] = set()
    for folder, prefix, program in _BOOKS:
        numbered = 0
        for file in sorted((corpus_folder() / folder).glob("*.abc")):
            for number, abc in tunes(file.read_text(encoding="utf-8")):
                numbered += 1
                title = _title(abc)
                # Ryan's tunes are all number 1 of a file each; they are counted in file order.
                shown = numbered if prefix == "ryans" else number
                stem = "-".join(x for x in (prefix, f"{shown:04d}", slug(title)) if x)
                unique, copy = stem, 1
                while unique in taken:
                    copy += 1
                    unique = f"{stem}-{copy}"
                taken.add(unique)
                yield Source(
                    stem=unique,
                    title=title or f"No. {number}",
                    place=f"{folder}/{file.name}:{number}",
                    path=str(file),
                    program=program,
                    abc=abc,
                )


def tunes(book: str) -> list[tuple[int, str]]:
    """The tunes of an ABC book as (reference number, text), each with the book's own header."""
    header, *rest = re.split(r"(?m)^(?=X:)", book)
    numbers = [re.match(r"X:\s*(\d+)", text) for text in rest]
    fields = "".join(line for line in header.splitlines(True) if re.match(r"[A-Zm]:", line))
    return [
        (int(number.group(1)) if number else 0, fields + text)
        for number, text in zip(numbers, rest, strict=True)
    ]


def _title(abc: str) -> str:
    found = re.search(r"(?m)^T:[ \t]*(.*?)\s*$", abc)
    return " ".join(found.group(1).split()) if found else ""


def slug(title: str) -> str:
    """A title as part of a file name: ``"O'Neill's Fancy -- Reel" -> "oneills-fancy-reel"``."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", re.sub(r"['`\"]", "", plain))
    return "-".join(words)[:48].strip("-")


# -- parsing --------------------------------------------------------------------------------------


def _parse(source: Source) -> Any:
    if source.abc is None:
        from music21 import converter

        if source.path.endswith(".krn"):
            twin = Path(source.path).with_suffix(".mxl")
            if twin.exists():
                raise UnfitScoreError(f"the same piece as bach/{twin.name}")
        with _music21_errors():
            return converter.parseFile(source.path, forceSource=True, storePickle=False)
    from music21 import abcFormat

    with _music21_errors(), _without_beams():
        handler = abcFormat.ABCFile().readstr(source.abc)
        return abcFormat.translate.abcToStreamScore(handler)


@contextmanager
def _music21_errors() -> Iterator[None]:
    """music21 raises whatever it stumbles over: one bad tune must not end an export."""
    try:
        yield
    except Exception as error:
        reason = f"music21 cannot read it ({type(error).__name__}: {error})"
        raise UnfitScoreError(" ".join(reason.split())) from error


@contextmanager
def _without_beams() -> Iterator[None]:
    """Beams are more than half of the time music21 takes over a tune, and change no note."""
    from music21 import stream

    stream.Part.makeBeams = lambda *args, **kwargs: None
    try:
        yield
    finally:
        del stream.Part.makeBeams


def _voices(score: Any, source: Source) -> list[tuple[str, int]]:
    """Name and program of each part, or `UnfitScoreError` if these are not the parts wanted."""
    names = [str(part.partName or "") for part in score.parts]
    if source.abc is not None:
        if len(names) != 1:
            raise UnfitScoreError("several voices, which music21 reads one after the other")
        return [("Melody", source.program)]
    if tuple(names) != _VOICES:
        listed = ", ".join(" ".join(name.split()) or "unnamed" for name in names)
        raise UnfitScoreError(f"not four voices alone: {listed}")
    return [(name, source.program) for name in names]
