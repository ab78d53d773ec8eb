"""Small piano roll of a song in a terminal.

A character covers two semitones (half blocks), each half in the color of its part and brighter at
onsets. Without color, notes are white; terminals without Unicode get `'.:`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import click
import numpy as np
from numpy.typing import NDArray

from musicvae.chords import format_symbol
from musicvae.cli.terminal import is_terminal
from musicvae.errors import one_line
from musicvae.representation.bars import Bars
from musicvae.representation.drums import HIGH_TOM, KICK, LOW_TOM, MID_TOM, SNARE, pitch_to_class
from musicvae.representation.key import pitch_name
from musicvae.song import Song

# Indices of the 256 terminal colors by part, of onsets and of sustained notes, near those of Okabe
# and Ito.
PART_COLORS = ((39, 25), (208, 130), (43, 29), (213, 133), (117, 67), (220, 136))
DRUM_COLORS = (252, 244)
LABEL_WIDTH = 5  # characters left of the roll
MIN_BARS, MAX_ROWS = 8, 24
DRUM_LANES = ("hats", "snar", "kick")
LANE_OF_CLASS = {KICK: 2, SNARE: 1, LOW_TOM: 1, MID_TOM: 1, HIGH_TOM: 1}
_BLOCKS, _ASCII = " ▀▄█", " '.:"

roll_option = click.option(
    "--roll/--no-roll",
    default=None,
    help="Draw the song as a piano roll; by default if stdout is a terminal.",
)


@dataclass(frozen=True)
class _HalfCells:
    """Upper and lower halves of characters, `(rows, columns)` each.

    0 is silence; a note is twice the number of its part (from 1), plus 1 at its onset.
    """

    upper: NDArray[np.int64]
    lower: NDArray[np.int64]


def check_roll(roll: bool | None, *, as_json: bool, songs: int = 1) -> None:
    """Raise a usage error if a roll is requested where none is drawn."""
    if roll and as_json:
        raise click.UsageError("--roll and --json exclude each other")
    if roll and songs != 1:
        raise click.UsageError(f"--roll draws one song, not {songs:,}; give a single file")


def shows_roll(roll: bool | None) -> bool:
    """Return whether a roll is drawn: as `roll` says, by default if stdout is a terminal."""
    return is_terminal(sys.stdout) if roll is None else roll


def print_roll(song: Song) -> None:
    """Print the roll of a song."""
    from musicvae.cli.terminal import stdout_console

    console = stdout_console()
    encoding = (sys.stdout.encoding or "ascii").lower()
    for line in roll_lines(
        song,
        console.width,
        colors=console.is_terminal and console.color_system is not None and not console.no_color,
        unicode=encoding.startswith("utf"),
    ):
        click.echo(line)


def roll_lines(song: Song, width: int, *, colors: bool, unicode: bool = True) -> list[str]:
    """Return lines of at most `width` characters with as many bars from the start as fit."""
    if not song.n_notes:
        return []
    bars = Bars.from_song(song)
    per_column, n_shown = _choose_scale(bars, width - LABEL_WIDTH)
    bar_columns, n_columns = _bar_columns(bars, per_column, n_shown)
    lines = []
    pitched = _pitched_parts(song)
    notes, is_drum_part = bars.notes, np.array([part.is_drum for part in song.parts])
    inside = notes.bar < n_shown
    is_drum = is_drum_part[notes.part]
    bar_lines = set(bar_columns[:n_shown].tolist())
    if len(song.chords):
        lines.append(" " * LABEL_WIDTH + _chord_row(song, bars, per_column, bar_columns, n_columns))
    if (inside & ~is_drum).any():
        selected = inside & ~is_drum
        cells, top, step = _pitched_cells(
            bars, pitched, selected, per_column, bar_columns, n_columns
        )
        for row in range(len(cells.upper)):
            high = top - 2 * step * row
            label = pitch_name(high) if row % 6 == 0 else ""
            lines.append(
                label.rjust(LABEL_WIDTH - 1)
                + " "
                + _row_text(cells, row, bar_lines, colors, unicode)
            )
    if (inside & is_drum).any():
        cells = _drum_cells(bars, inside & is_drum, per_column, bar_columns, n_columns)
        names = [f"{name:>{LABEL_WIDTH - 1}} " for name in DRUM_LANES]
        used = [row for row in range(len(DRUM_LANES)) if cells.upper[row].any()]
        lines += [names[row] + _row_text(cells, row, bar_lines, colors, unicode) for row in used]
    legend = [
        _bar_count_text(len(bars), n_shown, pickup=bool(len(bars) and bars.grid.lead_steps[0] > 0))
    ]
    if colors:
        legend += [
            _colorize("■" if unicode else "#", PART_COLORS[i % len(PART_COLORS)][0])
            + " "
            + (one_line(song.parts[nth].name)[:16] or f"part {nth + 1}")
            for i, nth in enumerate(pitched[: len(PART_COLORS)])
        ]
    return [*lines, *_wrap(legend, width)]


def _bar_count_text(n: int, n_shown: int, *, pickup: bool) -> str:
    """Return a text that says which bars are shown; a pickup is bar 0."""
    n, n_shown = n - pickup, n_shown - pickup
    if n_shown < n:
        text = f"bars 1 to {n_shown} of {n}" if n_shown else f"none of {n} bars"
    else:
        text = f"{n} bar" + "s" * (n != 1)
    return f"a pickup and {text}" if pickup and n else "a pickup" if pickup else text


def _chord_row(
    song: Song, bars: Bars, per_column: int, bar_columns: NDArray[np.int64], n_columns: int
) -> str:
    """Return chord symbols at the columns where they begin; without room, they are left out."""
    grid = bars.grid
    bar = np.searchsorted(grid.start_ticks, song.chords.ticks, side="right") - 1
    bar = np.clip(bar, 0, len(grid) - 1)
    ticks_per_step = grid.ticks_per_quarter / grid.steps_per_quarter
    step = (song.chords.ticks - grid.start_ticks[bar]) / ticks_per_step
    columns = bar_columns[bar] + 1 + (step // per_column).astype(np.int64)
    row = ""
    for column, label in zip(columns.tolist(), song.chords.labels(format_symbol), strict=True):
        if column + len(label) <= n_columns and (not row or column > len(row)):
            row = row.ljust(column) + label
    return row


def _pitched_parts(song: Song) -> list[int]:
    """Return the indices of non-empty parts with pitches."""
    return [nth for nth, part in enumerate(song.parts) if not part.is_drum and len(part)]


def _choose_scale(bars: Bars, width: int) -> tuple[int, int]:
    """Return the grid steps of a column and the number of bars shown: finer for short songs."""
    spq, n = bars.grid.steps_per_quarter, len(bars)
    for per_column in (spq // 4, spq // 3, spq // 2, spq, 2 * spq, 4 * spq):
        width_columns = np.cumsum(-(-bars.grid.unmasked_steps // per_column) + 1)
        n_fitting = int(np.searchsorted(width_columns, width, side="right"))
        if n_fitting >= min(n, MIN_BARS):
            return per_column, n_fitting
    return per_column, max(n_fitting, 1)


def _bar_columns(bars: Bars, per_column: int, n_shown: int) -> tuple[NDArray[np.int64], int]:
    """Return the column of each bar line, which precedes its bar, and the number of columns."""
    width_columns = -(-bars.grid.unmasked_steps // per_column) + 1
    bar_columns = np.concatenate([[0], np.cumsum(width_columns)])
    return bar_columns, int(bar_columns[n_shown])


def _note_spans(
    bars: Bars, selected: NDArray[np.bool_], per_column: int, bar_columns: NDArray[np.int64], n: int
) -> list[tuple[int, int, int, int]]:
    """Return part, pitch, first column and end column (exclusive) of each note."""
    grid, notes = bars.grid, bars.notes.select(selected)

    def column(cell: NDArray[np.int64], *, up: bool) -> NDArray[np.int64]:
        bar = np.clip(grid.cell_offsets.searchsorted(cell - up, side="right") - 1, 0, len(grid) - 1)
        inside = cell - grid.cell_offsets[bar]
        return bar_columns[bar] + 1 + (-(-inside // per_column) if up else inside // per_column)

    begin = grid.cell_offsets[notes.bar] + notes.step - grid.lead_steps[notes.bar]
    first = column(begin, up=False)
    stop = np.minimum(np.maximum(column(begin + notes.duration, up=True), first + 1), n)
    rows = (notes.part, notes.pitch, first, stop)
    return list(zip(*(each.tolist() for each in rows), strict=True))


def _pitched_cells(
    bars: Bars,
    parts: list[int],
    selected: NDArray[np.bool_],
    per_column: int,
    bar_columns: NDArray[np.int64],
    n: int,
) -> tuple[_HalfCells, int, int]:
    """Return the cells, the highest pitch and the number of semitones of half a character."""
    spans = _note_spans(bars, selected, per_column, bar_columns, n)
    pitches = [pitch for _, pitch, _, _ in spans]
    top, low = max(pitches), min(pitches)
    step = max(1, -(-(top - low + 1) // (2 * MAX_ROWS)))
    halves = (top - low) // step + 1
    cells = np.zeros((halves + halves % 2, n), np.int64)
    order = {part: nth for nth, part in enumerate(parts)}
    for part, pitch, first, stop in spans:
        row, color = (top - pitch) // step, 2 * (order[part] + 1)
        free = cells[row, first:stop] % 2 == 0  # keep onsets
        cells[row, first:stop][free] = color
        cells[row, first] = color + 1
    return _HalfCells(cells[::2], cells[1::2]), top, step


def _drum_cells(
    bars: Bars, selected: NDArray[np.bool_], per_column: int, bar_columns: NDArray[np.int64], n: int
) -> _HalfCells:
    """Return one row each for hats and cymbals, for snare and toms, and for the kick."""
    cells = np.zeros((len(DRUM_LANES), n), np.int64)
    for _, pitch, first, _ in _note_spans(bars, selected, per_column, bar_columns, n):
        cells[LANE_OF_CLASS.get(int(pitch_to_class(pitch)), 0), first] = 1
    return _HalfCells(cells, np.zeros_like(cells))


def _row_text(cells: _HalfCells, row: int, bar_lines: set[int], colors: bool, unicode: bool) -> str:
    """Return one row of characters."""
    blocks, bar_line = (_BLOCKS, "│") if unicode else (_ASCII, "|")
    found = []
    for column, (above, below) in enumerate(
        zip(cells.upper[row].tolist(), cells.lower[row].tolist(), strict=True)
    ):
        if not above and not below:
            line = bar_line if column in bar_lines else " "
            found.append(_colorize(line, 240) if colors and line != " " else line)
        elif not colors:
            found.append(blocks[bool(above) + 2 * bool(below)])
        elif above and below and above != below:
            found.append(_colorize(blocks[1], _cell_color(above), _cell_color(below)))
        else:
            found.append(
                _colorize(blocks[bool(above) + 2 * bool(below)], _cell_color(above or below))
            )
    return "".join(found).rstrip() if not colors else "".join(found)


def _cell_color(cell: int) -> int:
    """Return the color of a cell value of `_HalfCells`."""
    if cell == 1:
        return DRUM_COLORS[0]
    part, is_onset = divmod(cell, 2)
    return PART_COLORS[(part - 1) % len(PART_COLORS)][0 if is_onset else 1]


def _colorize(text: str, color: int, background_color: int | None = None) -> str:
    """Return text with the ANSI escapes of its color."""
    background = "" if background_color is None else f";48;5;{background_color}"
    return f"\x1b[38;5;{color}{background}m{text}\x1b[0m"


def _wrap(words: list[str], width: int) -> list[str]:
    """Return words, two spaces apart, wrapped to lines of at most `width` characters."""
    lines, used = [" " * LABEL_WIDTH], LABEL_WIDTH
    for word in words:
        long = len(click.unstyle(word))
        if used > LABEL_WIDTH and used + 2 + long > width:
            lines, used = [*lines, " " * LABEL_WIDTH], LABEL_WIDTH
        lines[-1] += ("  " if used > LABEL_WIDTH else "") + word
        used += long + (2 if used > LABEL_WIDTH else 0)
    return lines
