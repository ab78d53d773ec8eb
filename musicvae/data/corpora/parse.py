"""One piece of a corpus: parsed by music21, turned into a song, and into the bytes of its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musicvae.data.corpora.sources import Source
from musicvae.errors import ReadError
from musicvae.io import midi
from musicvae.io.notation import abc_humdrum, reader
from musicvae.io.notation.music21_score import Music21Score
from musicvae.io.notation.part import UnsupportedScoreError

CORPUS_VELOCITY = 80  # scores of these corpora carry no dynamics
_SATB_NAMES = ("Soprano", "Alto", "Tenor", "Bass")
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


def parse_piece(source: Source) -> Piece | Skipped:
    """Parse one piece; what music21 cannot read, or is not wanted, is skipped with the reason."""
    qpm = _CHORALE_QPM if source.abc is None else _FOLK_QPM
    try:
        with reader.convert_errors(source.place):
            sheet = _read_score(source)
            instruments = _part_instruments(sheet.score, source)
            laid = reader.to_song(
                sheet, instruments=instruments, default_qpm=qpm, velocity=CORPUS_VELOCITY
            )
    except ReadError as error:
        return Skipped(place=source.place, reason=error.reason)
    note = f"{source.title}; {source.place} of music21's corpus"
    return Piece(
        stem=source.stem,
        title=source.title,
        place=source.place,
        bars=laid.n_bars,
        notes=laid.song.n_notes,
        pickup=laid.has_pickup,
        grace=laid.n_grace_notes,
        overlapping=laid.n_overlapping,
        rounded=laid.is_rounded,
        midi=midi.to_bytes(laid.song, note=note),
    )


def _read_score(source: Source) -> Music21Score:
    if source.abc is not None:
        # Ten tunes for several voices are in this corpus in this way since its first export.
        return abc_humdrum.read_abc(source.abc, source.place, split_voices=False)
    file = Path(source.path)
    if file.suffix == ".krn" and (twin := file.with_suffix(".mxl")).exists():
        raise UnsupportedScoreError(f"the same piece as bach/{twin.name}")
    return reader.read_score(file.read_bytes(), source.place, merge=False)


def _part_instruments(score: Any, source: Source) -> list[tuple[str, int]]:
    """Name and program of each part, or `UnfitScoreError` if these are not the parts wanted."""
    names = [str(part.partName or "") for part in score.parts]
    if source.abc is not None:
        if len(names) != 1:
            raise UnsupportedScoreError("several voices, which music21 reads one after the other")
        return [("Melody", source.program)]
    if tuple(names) != _SATB_NAMES:
        listed = ", ".join(" ".join(name.split()) or "unnamed" for name in names)
        raise UnsupportedScoreError(f"not four voices alone: {listed}")
    return [(name, source.program) for name in names]
