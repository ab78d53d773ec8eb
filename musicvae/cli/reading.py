"""Floor 11: the options of every command that reads files as music."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

import click

from musicvae.options import ReadOptions

Command = TypeVar("Command", bound=Callable[..., Any])

_FLAGS = (
    ("--pedal", "pedal", "Let the sustain pedal lengthen notes."),
    ("--repeats", "repeats", "Play the repeats of scores as often as they say."),
    ("--keep-tracks", "keep_tracks", "Do not merge tracks that are one instrument."),
    ("--allow-ungridded", "ungridded", "Keep performances that follow no grid."),
    ("--as-written", "as_written", "Take the bar lines that files state without question."),
)


def reading_options(command: Command) -> Command:
    """Give a command the options of reading; it is called with `options`, a `ReadOptions`."""
    return _with_flags(command, _FLAGS)


def song_options(command: Command) -> Command:
    """Those of `reading_options` that matter to a model, which knows parts itself."""
    return _with_flags(command, [flag for flag in _FLAGS if flag[1] != "keep_tracks"])


def _with_flags(command: Command, flags: Sequence[tuple[str, str, str]]) -> Command:
    @wraps(command)
    def called(**arguments: Any) -> Any:
        chosen = {name: arguments.pop(name) for _, name, _ in flags}
        merge = not chosen.pop("keep_tracks", False)
        return command(options=ReadOptions(merge=merge, **chosen), **arguments)

    wrapped: Any = called
    for flag, name, words in reversed(flags):
        wrapped = click.option(flag, name, is_flag=True, help=words)(wrapped)
    return wrapped
