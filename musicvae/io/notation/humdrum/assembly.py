"""Parts of a score from the spines of a Humdrum file."""

from __future__ import annotations

from collections.abc import Sequence

from musicvae.io.notation.humdrum.interpretations import CLASS_PROGRAMS
from musicvae.io.notation.humdrum.spines import Spine
from musicvae.io.notation.instruments import program_of_name
from musicvae.io.notation.score import ScorePart


def finish_part(spine: Spine) -> ScorePart:
    """Return the part of a spine with its name and program."""
    part, names = spine.part, spine.names
    if spine.instrument:
        part.program = spine.instrument.program
        part.is_drum = spine.instrument.drum_key is not None
    part.is_drum |= spine.is_drum
    full = names.get('I"', "")
    part.name = full or (spine.instrument.name if spine.instrument else names.get("I'", ""))
    if part.program is None and not part.is_drum:
        candidates = (full, names.get('mI"', ""), names.get("I'", ""))
        found = (program_of_name(name) for name in candidates if name)
        part.program = next((program for program in found if program is not None), None)
    if part.program is None and not part.is_drum:
        part.program = CLASS_PROGRAMS.get(names.get("IC", ""))
    return part


def share_instruments(parts: Sequence[ScorePart]) -> None:
    """Give the staves of an instrument the name and program that one of them has."""
    for field in ("name", "program"):
        known = {
            part.group: getattr(part, field)
            for part in reversed(parts)
            if getattr(part, field) not in ("", None)
        }
        for part in parts:
            if part.group and getattr(part, field) in ("", None) and not part.is_drum:
                setattr(part, field, known.get(part.group, getattr(part, field)))
