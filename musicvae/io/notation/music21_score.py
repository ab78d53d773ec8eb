"""A music21 score with what its reader found, and context managers for calls of music21."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from typing import Any
from warnings import catch_warnings, simplefilter


@dataclass(kw_only=True)
class Music21Score:
    """A music21 score and what its file says beyond it.

    `kind` names the format, `instruments` are (name, GM program) of its parts if the text gives
    them, `drum_part_ids` the parts that are percussion, `n_grace_notes` those already dropped.
    """

    score: Any
    kind: str
    instruments: list[tuple[str, int | None]] = field(default_factory=list)
    drum_part_ids: frozenset[str] = frozenset()
    n_grace_notes: int = 0
    warnings: list[str] = field(default_factory=list)


@contextmanager
def suppress_output() -> Iterator[StringIO]:
    """Suppress warnings and output of music21; yield the buffer with the output."""
    output = StringIO()
    with catch_warnings(), redirect_stderr(output), redirect_stdout(output):
        simplefilter("ignore")
        yield output


@contextmanager
def pause_garbage_collection() -> Iterator[None]:
    """Pause garbage collection, which takes a quarter of the time of building a score."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
