"""Terminal detection, and tables and text that fit the terminal.

Pipes and files get plain text: whole lines without control characters. rich observes `NO_COLOR`
and `TERM=dumb`.
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

MIN_TABLE_COLUMNS = 60  # narrower terminals get rows as records
Rows = Sequence[tuple[str, ...]]


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can do more than print lines."""
    try:
        return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    except ValueError:  # closed
        return False


def stdout_console() -> Console:
    """Return the console on stdout, as wide as the terminal."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def print_table(
    header: tuple[str, ...], rows: Rows, *, numeric: Sequence[int] = (), indent: int = 0
) -> None:
    """Print a table on stdout: fitted to a terminal, elsewhere as aligned columns of text.

    Args:
        header: column titles; not printed if all are empty.
        rows: cells, one for each column.
        numeric: indices of columns that are right-aligned on a terminal.
        indent: spaces before each line.
    """
    if not is_terminal(sys.stdout):
        text = format_columns([header, *rows] if any(header) else list(rows))
        click.echo("\n".join(" " * indent + line for line in text.split("\n")))
        return
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(header))
    for nth, name in enumerate(header):
        right = nth in numeric
        table.add_column(name, justify="right" if right else "left", no_wrap=right, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = stdout_console()
    if console.width < MIN_TABLE_COLUMNS:
        for row in rows:
            _print_record(console, header, row, indent)
        return
    console.print(Padding(table, (0, 0, 0, indent), expand=False))


def print_wrapped(line: str) -> None:
    """Print a line on stdout; on a terminal it is wrapped, with its own indent."""
    text = one_line(line)
    if not is_terminal(sys.stdout):
        click.echo(text)
        return
    from rich.padding import Padding
    from rich.text import Text

    words = text.lstrip(" ")
    stdout_console().print(Padding(Text(words), (0, 0, 0, len(text) - len(words)), expand=False))


def _print_record(
    console: Console, header: tuple[str, ...], row: tuple[str, ...], indent: int
) -> None:
    """Print a row on a narrow terminal: its first non-numeric cell above the other cells."""
    from rich.padding import Padding
    from rich.text import Text

    title = next((cell for cell in row if cell and not cell.isdigit()), row[0])
    rest = [
        f"{name.lower()} {cell}".strip()
        for name, cell in zip(header, row, strict=True)
        if cell and cell != title
    ]
    console.print(Padding(Text(title, "bold"), (0, 0, 0, indent), expand=False))
    console.print(Padding(Text(", ".join(rest)), (0, 0, 0, indent + 2), expand=False))


def format_columns(rows: list[tuple[str, ...]]) -> str:
    """Return rows as text in aligned columns."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
