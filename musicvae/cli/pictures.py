"""Floor 11: the options of every command that draws."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


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
