"""One piece of a corpus: parsed by music21, turned into a song, and into the bytes of its file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musicvae.corpora.measures import UnfitScoreError
from musicvae.corpora.scores import song_of
from musicvae.corpora.sources import Source
from musicvae.formats import midi

_VOICES = ("Soprano", "Alto", "Tenor", "Bass")
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
