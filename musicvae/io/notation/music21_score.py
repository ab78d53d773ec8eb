"""Floor 3: a score as music21 holds it, with what had to be noted on the way there."""

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
    """A music21 `score`, its `kind`, and what is known beside it.

    `voices` are (name, GM program) of its parts where the text says them, `drums` the ids of parts
    that are percussion, `grace` the grace notes already left out.
    """

    score: Any
    kind: str
    voices: list[tuple[str, int | None]] = field(default_factory=list)
    drum_part_ids: frozenset[str] = frozenset()
    n_grace_notes: int = 0
    warnings: list[str] = field(default_factory=list)


@contextmanager
def suppress_output() -> Iterator[StringIO]:
    """Nothing that music21 prints or warns is shown; what it prints is in the yielded text."""
    said = StringIO()
    with catch_warnings(), redirect_stderr(said), redirect_stdout(said):
        simplefilter("ignore")
        yield said


@contextmanager
def pause_garbage_collection() -> Iterator[None]:
    """No search for cyclic garbage while a score is built: a quarter of the time goes into it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
