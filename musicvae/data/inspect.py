"""The result of `musicvae inspect` for a file, as plain JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from musicvae.data import sandbox
from musicvae.data.pipeline import ProcessedFile, process_file
from musicvae.data.reader import reading_limits
from musicvae.errors import ReadError
from musicvae.io import load
from musicvae.io.options import ReadOptions
from musicvae.swing import UNITS

MAX_SINGLE_PROCESS_FILES = 16  # for more files, one process per core pays off


def inspect_files(
    paths: Sequence[Path], options: ReadOptions, *, workers: int | None = None
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Inspect files in sandboxed processes; yield each path with its result, in order.

    The default number of workers is one for a few files, else one per core.
    """
    if not workers:
        workers = sandbox.available_cpus() if len(paths) > MAX_SINGLE_PROCESS_FILES else 1
    reader, limits = partial(inspect_to_json, options=options), reading_limits(options)
    answers = sandbox.run(reader, paths, workers=workers, limits=limits)
    for path, answer in zip(paths, answers, strict=True):
        if isinstance(answer, bytes):
            yield path, json.loads(answer)
        else:
            reason = answer.reason if isinstance(answer, sandbox.Failure) else str(answer)
            yield path, {"ok": False, "reason": reason}


def inspect_to_json(path: Path, options: ReadOptions) -> bytes:
    """Return `inspect_file` as JSON bytes, as a sandbox needs it."""
    return json.dumps(inspect_file(path, options), ensure_ascii=False).encode()


def inspect_file(path: Path, options: ReadOptions, *, transcribe: bool = False) -> dict[str, Any]:
    """Return `ok` and, if the file holds a song, everything found out about it.

    With `transcribe` recordings are transcribed, in this process.
    """
    try:
        file = process_file(load(path), path, options, transcribe=transcribe)
    except ReadError as error:
        return {"ok": False, "reason": error.reason, "hint": error.hint}
    rejected = "" if options.ungridded else file.barlines.grid_estimate.reject_reason
    return {"ok": not rejected, "reason": rejected or None, **_to_dict(file)}


def _to_dict(file: ProcessedFile) -> dict[str, Any]:
    barlines, bars = file.barlines, file.bars
    grid, fit, choice = bars.grid, barlines.grid_estimate, barlines.choice
    start = barlines.seconds(grid.start_ticks)
    end = barlines.seconds(grid.start_ticks + grid.length_ticks)
    names = [f"{n}/{d}" for n, d in zip(grid.numerator, grid.denominator, strict=True)]
    changes = [i for i in range(len(names)) if not i or names[i] != names[i - 1]]
    tempo, swing = barlines.original.tempo, barlines.song.swing
    at = tempo.seconds(tempo.ticks, barlines.original.ticks_per_quarter)
    if fit.tracked is not None:  # the tempo that was played
        tempo = barlines.song.tempo
        at = barlines.seconds(tempo.ticks)
    return {
        "format": file.read_result.kind,
        "meters": [{"bar": i, "start_s": _round(start[i]), "meter": names[i]} for i in changes],
        "tempos": [
            {"start_s": _round(s), "qpm": round(float(qpm), 3)}
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
            for part, role in zip(barlines.song.parts, file.roles, strict=True)
        ],
        "grid": {
            "steps_per_quarter": fit.steps_per_quarter,
            "offset_s": _round(barlines.offset_s),
            "tightness": _round(fit.best_tightness),
            "tightness_4": _round(fit.tightness[4]),
            "tightness_12": _round(fit.tightness[12]),
            "drifts": fit.drifts,
            "tracked": fit.tracked is not None,
        },
        "swing": swing and {"ratio": _round(swing.ratio), "unit": UNITS[swing.unit]},
        "bar_lines": {
            "source": choice.source,
            "confidence": _round(choice.confidence),
            "reason": choice.reason,
        },
        "bars": [
            {
                "index": i,
                "start_s": _round(start[i]),
                "end_s": _round(end[i]),
                "meter": names[i],
                "pickup": bool(grid.lead_steps[i]),
            }
            for i in range(len(names))
        ],
        "chords": _chords_to_list(file),
        "moved": bars.n_moved,
        "merged": bars.n_merged,
        "warnings": list(file.warnings),
    }


def _chords_to_list(file: ProcessedFile) -> list[dict[str, Any]]:
    """Return the chords with their start in the file, label, source and confidence."""
    found = file.chords
    start = file.barlines.seconds(found.chords.ticks)
    return [
        {
            "start_s": _round(s),
            "label": label,
            "source": found.source,
            "confidence": round(confidence, 3),
        }
        for s, label, confidence in zip(
            start, found.chords.labels(), found.confidence.tolist(), strict=True
        )
    ]


def _round(value: float) -> float:
    return round(float(value), 6)
