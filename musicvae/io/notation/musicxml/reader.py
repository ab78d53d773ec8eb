"""MusicXML documents to scores."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from musicvae.io.limits import MAX_SCORE_MEASURES, MAX_SCORE_PARTS
from musicvae.io.notation.musicxml.document import (
    is_archive,
    parse_score,
    pause_garbage_collection,
)
from musicvae.io.notation.musicxml.omissions import Omissions
from musicvae.io.notation.musicxml.part import PartReader
from musicvae.io.notation.musicxml.part_list import read_part_list
from musicvae.io.notation.musicxml.signs import SignCollector
from musicvae.io.notation.musicxml.staves import build_parts
from musicvae.io.notation.score import (
    MAX_QPM,
    MIN_QPM,
    Score,
    ScorePart,
    ScorePosition,
    check_count,
)
from musicvae.io.notation.swing_marks import whole_swing

_DEFAULT_QPM = 120.0


def read_musicxml(content: bytes, path: str | Path) -> Score:
    """Read a MusicXML document, compressed or not.

    Each staff of a part is a part, and so are the notes of further instruments of a part. Raises
    `ReadError` for files that are no scores, `UnsupportedScoreError` for invalid numbers.
    """
    with pause_garbage_collection():
        return _read_tree(content, path)


def _read_tree(content: bytes, path: str | Path) -> Score:
    """Read a document; on return its tree is freed."""
    root = parse_score(content, path)
    omissions, signs = Omissions(), SignCollector()
    parts: list[ScorePart] = []
    tempo_ratios: list[tuple[ScorePosition, Fraction | None]] = []
    n_measures = 0
    for number, (entry, element) in enumerate(read_part_list(root), start=1):
        reader = PartReader(entry, signs, omissions)
        reader.read(element)
        staves = build_parts(reader, f"P{number}")
        tempo_ratios += reader.tempo_ratios
        n_measures += len(staves) * len(reader.cursor.measure_numbers)
        check_count(n_measures, MAX_SCORE_MEASURES, "measures")
        check_count(len(parts) + len(staves), MAX_SCORE_PARTS, "staves")
        parts += staves
    _apply_tempo_ratios(parts, tempo_ratios)
    swing, omissions.n_swing_marks = whole_swing(signs.swing_marks)
    return Score(
        kind="compressed MusicXML" if is_archive(content) else "MusicXML",
        parts=parts,
        signs=signs.resolve(parts),
        n_grace_notes=omissions.n_grace_notes,
        swing=swing,
        warnings=omissions.warnings(),
    )


def _apply_tempo_ratios(
    parts: Sequence[ScorePart], ratios: Sequence[tuple[ScorePosition, Fraction | None]]
) -> None:
    """Add the tempos of metric modulations, computed from those before, to the first part.

    Without a ratio it is the first tempo. A tempo at the same position takes precedence.
    """
    marks = {place: qpm for part in reversed(parts) for place, _, qpm in part.tempo_marks}
    for place, ratio in sorted(dict(ratios).items()):
        if place in marks:
            continue
        before = max((other for other in marks if other < place), default=None)
        if ratio is None:
            before = min((other for other in marks if other < place), default=None)
        qpm = (marks[before] if before is not None else _DEFAULT_QPM) * float(ratio or 1)
        if MIN_QPM <= qpm <= MAX_QPM:
            marks[place] = qpm
            parts[0].tempo_marks.append((place, False, qpm))
