"""Floor 11: what a terminal is and how wide, and tables that are drawn on one.

A pipe or a file gets plain text, whole lines and no control bytes. `NO_COLOR` and `TERM=dumb` are
heeded by rich.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

import click

from musicvae.errors import one_line

if TYPE_CHECKING:
    from rich.console import Console

MIN_TABLE_COLUMNS = 60  # columns, below which a table is no table any more
Rows = Sequence[tuple[str, ...]]


def is_terminal(stream: TextIO) -> bool:
    """Whether someone looks at a stream now, on what can do more than print lines."""
    try:
        return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    except ValueError:  # closed
        return False


def stdout_console() -> Console:
    """The console on stdout, as wide as the terminal."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def print_table(
    head: tuple[str, ...], rows: Rows, *, numbers: Sequence[int] = (), indent: int = 0
) -> None:
    """Rows under a head on stdout: on a terminal as wide as it is, elsewhere columns of text.

    A head of empty words is none. `numbers` are the columns that are to stand flush right on a
    terminal.
    """
    if not is_terminal(sys.stdout):
        text = format_columns([head, *rows] if any(head) else list(rows))
        click.echo("\n".join(" " * indent + line for line in text.split("\n")))
        return
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(head))
    for nth, name in enumerate(head):
        flush = nth in numbers
        table.add_column(name, justify="right" if flush else "left", no_wrap=flush, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = stdout_console()
    if console.width < MIN_TABLE_COLUMNS:
        for row in rows:
            _print_record(console, head, row, indent)
        return
    console.print(Padding(table, (0, 0, 0, indent), expand=False))


def print_wrapped(line: str) -> None:
    """A line of a result on stdout; on a terminal as several that fit, indented as it is."""
    text = one_line(line)
    if not is_terminal(sys.stdout):
        click.echo(text)
        return
    from rich.padding import Padding
    from rich.text import Text

    words = text.lstrip(" ")
    stdout_console().print(Padding(Text(words), (0, 0, 0, len(text) - len(words)), expand=False))


def _print_record(
    console: Console, head: tuple[str, ...], row: tuple[str, ...], indent: int
) -> None:
    """A row for a narrow terminal: the first cell that is no number, above the rest."""
    from rich.padding import Padding
    from rich.text import Text

    title = next((cell for cell in row if cell and not cell.isdigit()), row[0])
    rest = [
        f"{name.lower()} {cell}".strip()
        for name, cell in zip(head, row, strict=True)
        if cell and cell != title
    ]
    console.print(Padding(Text(title, "bold"), (0, 0, 0, indent), expand=False))
    console.print(Padding(Text(", ".join(rest)), (0, 0, 0, indent + 2), expand=False))


def format_columns(rows: list[tuple[str, ...]]) -> str:
    """Rows as text in aligned columns, the last one ragged."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
