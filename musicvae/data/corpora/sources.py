"""The built-in corpora: their sources in music21's installed corpus, and names of exported files.

ABC books are split into tunes here: so tunes are read independently and in parallel.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from musicvae.errors import DataError

_CHOIR_AAHS, _FLUTE, _VIOLIN, _FIDDLE = 52, 73, 40, 110
_FOLK_BOOKS = (  # folder in music21's corpus, prefix of file names, GM program
    ("airdsAirs", "airds", _FLUTE),
    ("oneills1850", "oneills", _FIDDLE),
    ("ryansMammoth", "ryans", _VIOLIN),
)


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """A corpus: of its `n_pieces` in music21, `n_songs` are exported."""

    name: str
    title: str
    license: str
    n_songs: int
    n_pieces: int


CORPORA = {
    corpus.name: corpus
    for corpus in (
        Corpus(
            name="chorales",
            title="Bach's four-part chorales: Soprano, Alto, Tenor, Bass",
            license="J. S. Bach (1685-1750): public domain; encodings by Margaret Greentree "
            "and others, used by permission in music21's corpus",
            n_songs=365,
            n_pieces=413,
        ),
        Corpus(
            name="folk",
            title="Scottish, Irish and American tunes: Aird's Airs, O'Neill's 1850, "
            "Ryan's Mammoth Collection",
            license="published 1782 to 1903: public domain; ABC by volunteers, who are named in "
            "the files of music21's corpus",
            n_songs=4248,
            n_pieces=4248,
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class Source:
    """One piece of a corpus: stem of the exported file, title, source, and ABC text if any."""

    stem: str
    title: str
    place: str  # file in music21's corpus, and tune number
    path: str
    program: int
    abc: str | None = None


def music21_version() -> str:
    """Return the version of the installed music21, without importing it."""
    return version("music21")


def corpus_folder() -> Path:
    """Return the folder of music21's corpus, without importing music21. Raises `DataError`."""
    spec = find_spec("music21")
    for place in spec.submodule_search_locations or () if spec else ():
        folder = Path(place) / "corpus"
        if folder.is_dir():
            return folder
    raise DataError("music21's corpus is not installed; pip install --force-reinstall music21")


def find_sources(name: str) -> list[Source]:
    """Return the sources of a corpus, in a fixed order, with unique stems. Raises `DataError`."""
    sources = list(_FINDERS[name]())
    if not sources:
        raise DataError(f"music21's corpus has no {name}; pip install --force-reinstall music21")
    return sources


# -- chorales -------------------------------------------------------------------------------------


def _chorales() -> Iterator[Source]:
    """Yield the sources of the chorales."""
    folder = corpus_folder() / "bach"
    files = [f for f in folder.glob("bwv*") if f.suffix in (".mxl", ".xml", ".krn")]
    for file in sorted(files, key=lambda f: (chorale_stem(f), f.suffix != ".mxl")):
        title = f"Bach, BWV {file.stem.removeprefix('bwv')}"
        stem, place = chorale_stem(file), f"bach/{file.name}"
        yield Source(stem=stem, title=title, place=place, path=str(file), program=_CHOIR_AAHS)


def chorale_stem(file: Path) -> str:
    """Return the stem of a chorale, numbers padded: ``bwv248.42-4.mxl`` -> ``bwv0248-42-4``."""
    number, _, movement = file.stem.removeprefix("bwv").partition(".")
    number, _, variant = number.partition("-")
    pieces = re.split(r"[^0-9a-z]+", movement.lower())
    numbers = [f"{int(piece):02d}" if piece.isdigit() else piece for piece in pieces[:1]]
    return "-".join(x for x in (f"bwv{int(number):04d}", variant, *numbers, *pieces[1:]) if x)


# -- folk -----------------------------------------------------------------------------------------


def _folk() -> Iterator[Source]:
    """Yield the sources of the folk tunes."""
    taken: set[str] = set()
    for folder, prefix, program in _FOLK_BOOKS:
        n_tunes = 0
        for file in sorted((corpus_folder() / folder).glob("*.abc")):
            for number, abc in split_tunes(file.read_text(encoding="utf-8")):
                n_tunes += 1
                title = _tune_title(abc)
                # Ryan's tunes are all number 1 of their file: number them in file order.
                stem_number = n_tunes if prefix == "ryans" else number
                stem = "-".join(x for x in (prefix, f"{stem_number:04d}", slug(title)) if x)
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


def split_tunes(book: str) -> list[tuple[int, str]]:
    """Return the tunes of an ABC book as (reference number, text), each with the book's header."""
    header, *rest = re.split(r"(?m)^(?=X:)", book)
    numbers = [re.match(r"X:\s*(\d+)", text) for text in rest]
    fields = "".join(line for line in header.splitlines(True) if re.match(r"[A-Zm]:", line))
    return [
        (int(number.group(1)) if number else 0, fields + text)
        for number, text in zip(numbers, rest, strict=True)
    ]


def _tune_title(abc: str) -> str:
    """Return the first title of a tune, empty if it has none."""
    found = re.search(r"(?m)^T:[ \t]*(.*?)\s*$", abc)
    return " ".join(found.group(1).split()) if found else ""


def slug(title: str) -> str:
    """Convert a title to a file name: ``"O'Neill's Fancy -- Reel"`` -> ``"oneills-fancy-reel"``."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", re.sub(r"['`\"]", "", plain))
    return "-".join(words)[:48].strip("-")


_FINDERS: dict[str, Callable[[], Iterator[Source]]] = {"chorales": _chorales, "folk": _folk}
"""The pieces of each corpus of `CORPORA`, by name."""
