"""Parsing of one piece of a corpus: from its source to the bytes of a MIDI file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from musicvae.data.corpora.sources import Source
from musicvae.errors import ReadError
from musicvae.io import midi
from musicvae.io.notation import abc, reader
from musicvae.io.notation.score import Score, UnsupportedScoreError

CORPUS_VELOCITY = 80  # these scores have no dynamics
_SATB_NAMES = ("Soprano", "Alto", "Tenor", "Bass")
_CHORALE_QPM = {"": 84.0, "3/4": 92.0, "3/2": 132.0}
# Medians of the metronome marks in Aird's Airs, the only book that has them.
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
    """An exported piece; `place` is its file in music21's corpus, `midi` the exported bytes.

    Fields other than `midi` are keys of the cache index.
    """

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
    """A piece that is not exported, with the reason."""

    place: str
    reason: str


def parse_piece(source: Source) -> Piece | Skipped:
    """Parse one piece; pieces that are unreadable or do not fit the corpus are skipped."""
    qpm = _CHORALE_QPM if source.abc is None else _FOLK_QPM
    try:
        with reader.convert_errors(source.place):
            score = _read_score(source)
            _name_parts(score, source)
            result = reader.to_song(score, merge=False, default_qpm=qpm, velocity=CORPUS_VELOCITY)
    except ReadError as error:
        return Skipped(place=source.place, reason=error.reason)
    note = f"{source.title}; {source.place} of music21's corpus"
    return Piece(
        stem=source.stem,
        title=source.title,
        place=source.place,
        bars=result.n_bars,
        notes=result.song.n_notes,
        pickup=result.has_pickup,
        grace=result.n_grace_notes,
        overlapping=result.n_overlapping,
        rounded=result.is_rounded,
        midi=midi.to_bytes(result.song, note=note),
    )


def _read_score(source: Source) -> Score:
    """Read the score of a source. Raises `UnsupportedScoreError` for duplicates."""
    if source.abc is not None:
        return abc.read_abc(source.abc, source.place)
    file = Path(source.path)
    if file.suffix == ".krn" and (duplicate := file.with_suffix(".mxl")).exists():
        raise UnsupportedScoreError(f"same piece as bach/{duplicate.name}")
    return reader.read_score(file.read_bytes(), source.place)


def _name_parts(score: Score, source: Source) -> None:
    """Set name and program of each part. Raises `UnsupportedScoreError` for other parts."""
    names = [part.name for part in score.parts]
    if source.abc is not None:
        names[:1] = ["Melody"]
    elif tuple(names) != _SATB_NAMES:
        listed = ", ".join(" ".join(name.split()) or "unnamed" for name in names)
        raise UnsupportedScoreError(f"not four voices alone: {listed}")
    for part, name in zip(score.parts, names, strict=True):
        part.name, part.program = name, source.program
