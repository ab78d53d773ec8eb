"""Floor 11: the options of every command that draws, and where it may draw to."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from musicvae.cli.common import emit, free_target, say

Command = TypeVar("Command", bound=Callable[..., Any])


def picture_path(path: Path, option: str = "--plot", *, force: bool | None = None) -> Path:
    """A picture that an option named, before the work: of a format that is drawn, and writable.

    Raises `WriteError`.
    """
    from musicvae.plots.style import checked_suffix

    checked_suffix(path)
    return free_target(path, option, force=force)


def tell_picture(path: Path, *, as_json: bool) -> None:
    """A line for a picture that was drawn, or JSON."""
    emit(as_json, "plot", path=path)
    if not as_json:
        say(str(path))


def look_options(command: Command) -> Command:
    """`--theme` and `--transparent`: the command gets `look`, a `plots.Theme`."""

    @wraps(command)
    def called(**arguments: Any) -> Any:
        from musicvae.plots.themes import theme

        name, transparent = arguments.pop("theme"), arguments.pop("transparent")
        return command(look=theme(name, transparent=transparent), **arguments)

    wrapped: Any = called
    for option in (
        click.option("--transparent", is_flag=True, help="Leave the paper of pictures out."),
        click.option(
            "--theme",
            type=click.Choice(["light", "dark"]),
            default="light",
            show_default=True,
            help="Pictures on light or on dark paper.",
        ),
    ):
        wrapped = option(wrapped)
    return wrapped
