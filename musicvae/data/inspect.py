"""Floor 5: what `musicvae inspect` tells of a file, in plain JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from musicvae.data import sandbox
from musicvae.data.pipeline import Examined, examine
from musicvae.errors import ReadError
from musicvae.io import load
from musicvae.io.options import ReadOptions

_FEW = 16  # files that are not worth a second process


def inspect_files(
    paths: Sequence[Path], options: ReadOptions, *, workers: int | None = None
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """What is seen in each file, in order, read in processes that may die without harm.

    `workers` are one a core for a folder, one alone for a few files, if not given.
    """
    workers = workers or (sandbox.cores() if len(paths) > _FEW else 1)
    answers = sandbox.run(partial(inspected, options=options), paths, workers=workers)
    for path, answer in zip(paths, answers, strict=True):
        if isinstance(answer, bytes):
            yield path, json.loads(answer)
        else:
            reason = answer.reason if isinstance(answer, sandbox.Failure) else str(answer)
            yield path, {"ok": False, "reason": reason}


def inspected(path: Path, options: ReadOptions) -> bytes:
    """What is seen in one file, as JSON."""
    return json.dumps(inspect_file(path, options), ensure_ascii=False).encode()


def inspect_file(path: Path, options: ReadOptions, *, listen: bool = False) -> dict[str, Any]:
    """What is seen in one file: `ok` and, where there is a song in it, all that was found.

    `listen` lets recordings be written down, in this process.
    """
    try:
        seen = examine(load(path), path, options, listen=listen)
    except ReadError as error:
        return {"ok": False, "reason": error.reason, "hint": error.hint}
    declined = "" if options.ungridded else seen.alignment.fit.decline
    return {"ok": not declined, "reason": declined or None, **_found(seen)}


def _found(seen: Examined) -> dict[str, Any]:
    aligned, bars = seen.alignment, seen.bars
    grid, fit, choice = bars.grid, aligned.fit, aligned.choice
    start = aligned.seconds(grid.start_ticks)
    end = aligned.seconds(grid.start_ticks + grid.length_ticks)
    names = [f"{n}/{d}" for n, d in zip(grid.numerator, grid.denominator, strict=True)]
    changes = [i for i in range(len(names)) if not i or names[i] != names[i - 1]]
    tempo = aligned.original.tempo
    at = tempo.seconds(tempo.ticks, aligned.original.ticks_per_quarter)
    return {
        "format": seen.reading.kind,
        "meters": [{"bar": i, "start_s": _rounded(start[i]), "meter": names[i]} for i in changes],
        "tempos": [
            {"start_s": _rounded(s), "qpm": round(float(qpm), 3)}
            for s, qpm in zip(at, tempo.qpm, strict=True)
        ],
        "parts": [
            {
                "name": part.name,
                "program": part.program,
                "is_drum": part.is_drum,
                "notes": len(part),
                "role": role.name,
                "why": role.reason,
            }
            for part, role in zip(aligned.song.parts, seen.roles, strict=True)
        ],
        "grid": {
            "steps_per_quarter": fit.steps_per_quarter,
            "offset_s": _rounded(aligned.offset_s),
            "tightness": _rounded(fit.fit),
            "tightness_4": _rounded(fit.tightness[4]),
            "tightness_12": _rounded(fit.tightness[12]),
            "drifts": fit.drifts,
        },
        "bar_lines": {
            "source": choice.source,
            "confidence": _rounded(choice.confidence),
            "reason": choice.reason,
        },
        "bars": [
            {
                "index": i,
                "start_s": _rounded(start[i]),
                "end_s": _rounded(end[i]),
                "meter": names[i],
                "pickup": bool(grid.lead[i]),
            }
            for i in range(len(names))
        ],
        "moved": bars.moved,
        "merged": bars.merged,
        "warnings": list(seen.warnings),
    }


def _rounded(value: float) -> float:
    return round(float(value), 6)
