"""Floor 11: a song as a small piano roll in a terminal.

A character is two semitones high: half blocks, the colour of each half that of its part, brighter
where a note begins. Without colours notes are white; a terminal without Unicode gets `'.:`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import click
import numpy as np
from numpy.typing import NDArray

from musicvae.cli.terminal import is_terminal
from musicvae.errors import one_line
from musicvae.representation.bars import Bars
from musicvae.representation.drums import HIGH_TOM, KICK, LOW_TOM, MID_TOM, SNARE, pitch_to_class
from musicvae.representation.key import pitch_name
from musicvae.song import Song

# Of the 256 colours, by part: where a note begins, and where it goes on. Near Okabe and Ito's.
PART_COLORS = ((39, 25), (208, 130), (43, 29), (213, 133), (117, 67), (220, 136))
DRUM_COLORS = (252, 244)
LABEL_WIDTH = 5  # characters before the roll
MIN_BARS, MAX_ROWS = 8, 24
DRUM_LANES = ("hats", "snar", "kick")
LANE_OF_CLASS = {KICK: 2, SNARE: 1, LOW_TOM: 1, MID_TOM: 1, HIGH_TOM: 1}
_BLOCKS, _ASCII = " ▀▄█", " '.:"

roll_option = click.option(
    "--roll/--no-roll",
    default=None,
    help="Draw a song in the terminal; done if it is one, unless told not to.",
)


@dataclass(frozen=True)
class _HalfCells:
    """`(rows, columns)`: 0 for silence, else twice the part's number, and 1 more for an onset."""

    upper: NDArray[np.int64]
    lower: NDArray[np.int64]


def check_roll(roll: bool | None, *, as_json: bool, songs: int = 1) -> None:
    """Raise a usage error for a roll that is asked for where none is drawn."""
    if roll and as_json:
        raise click.UsageError("--roll and --json do not go together; say one of them")
    if roll and songs != 1:
        raise click.UsageError(f"--roll draws one song, not {songs:,}; give a single file")


def print_roll(song: Song, roll: bool | None) -> None:
    """Print the roll of a song if it is wanted: on a terminal, unless said otherwise."""
    if not (is_terminal(sys.stdout) if roll is None else roll):
        return
    from musicvae.cli.terminal import stdout_console

    console = stdout_console()
    encoding = (sys.stdout.encoding or "ascii").lower()
    for line in roll_lines(
        song,
        console.width,
        colours=console.is_terminal and console.color_system is not None and not console.no_color,
        unicode=encoding.startswith("utf"),
    ):
        click.echo(line)


def roll_lines(song: Song, width: int, *, colours: bool, unicode: bool = True) -> list[str]:
    """The first bars of a song, as many as fit, as lines of at most `width` characters."""
    if not song.n_notes:
        return []
    bars = Bars.from_song(song)
    per_column, shown = _choose_scale(bars, width - LABEL_WIDTH)
    places, n_columns = _bar_columns(bars, per_column, shown)
    lines = []
    pitched = _pitched_parts(song)
    notes, drum = bars.notes, np.array([part.is_drum for part in song.parts])
    inside = notes.bar < shown
    of_drums = drum[notes.part]
    walls = set(places[:shown].tolist())
    if (inside & ~of_drums).any():
        which = inside & ~of_drums
        cells, top, step = _pitched_cells(bars, pitched, which, per_column, places, n_columns)
        for row in range(len(cells.upper)):
            high = top - 2 * step * row
            label = pitch_name(high) if row % 6 == 0 else ""
            lines.append(
                label.rjust(LABEL_WIDTH - 1) + " " + _row_text(cells, row, walls, colours, unicode)
            )
    if (inside & of_drums).any():
        cells = _drum_cells(bars, inside & of_drums, per_column, places, n_columns)
        names = [f"{name:>{LABEL_WIDTH - 1}} " for name in DRUM_LANES]
        used = [row for row in range(len(DRUM_LANES)) if cells.upper[row].any()]
        lines += [names[row] + _row_text(cells, row, walls, colours, unicode) for row in used]
    legend = [
        _bar_count_text(len(bars), shown, pickup=bool(len(bars) and bars.grid.lead_steps[0] > 0))
    ]
    if colours:
        legend += [
            _colorize("■" if unicode else "#", PART_COLORS[i % len(PART_COLORS)][0])
            + " "
            + (one_line(song.parts[nth].name)[:16] or f"part {nth + 1}")
            for i, nth in enumerate(pitched[: len(PART_COLORS)])
        ]
    return [*lines, *_wrap(legend, width)]


def _bar_count_text(n: int, shown: int, *, pickup: bool) -> str:
    """Which bars are shown, in words; a pickup is bar 0, as everywhere."""
    n, shown = n - pickup, shown - pickup
    if shown < n:
        said = f"bars 1 to {shown} of {n}" if shown else f"none of {n} bars"
    else:
        said = f"{n} bar" + "s" * (n != 1)
    return f"a pickup and {said}" if pickup and n else "a pickup" if pickup else said


def _pitched_parts(song: Song) -> list[int]:
    """The parts that have pitches, and notes."""
    return [nth for nth, part in enumerate(song.parts) if not part.is_drum and len(part)]


def _choose_scale(bars: Bars, width: int) -> tuple[int, int]:
    """Cells of a column, and how many bars are shown: finer where the song is short."""
    spq, n = bars.grid.steps_per_quarter, len(bars)
    for per_column in (spq // 4, spq // 3, spq // 2, spq, 2 * spq, 4 * spq):
        wide = np.cumsum(-(-bars.grid.unmasked_steps // per_column) + 1)
        fitting = int(np.searchsorted(wide, width, side="right"))
        if fitting >= min(n, MIN_BARS):
            return per_column, fitting
    return per_column, max(fitting, 1)


def _bar_columns(bars: Bars, per_column: int, shown: int) -> tuple[NDArray[np.int64], int]:
    """The column of each bar's line; notes begin one further on."""
    wide = -(-bars.grid.unmasked_steps // per_column) + 1
    places = np.concatenate([[0], np.cumsum(wide)])
    return places, int(places[shown])


def _note_spans(
    bars: Bars, which: NDArray[np.bool_], per_column: int, places: NDArray[np.int64], n: int
) -> list[tuple[int, int, int, int]]:
    """Part, pitch, first column and the one after the last, of each note."""
    grid, notes = bars.grid, bars.notes.select(which)

    def column(cell: NDArray[np.int64], *, up: bool) -> NDArray[np.int64]:
        bar = np.clip(grid.cell_offsets.searchsorted(cell - up, side="right") - 1, 0, len(grid) - 1)
        inside = cell - grid.cell_offsets[bar]
        return places[bar] + 1 + (-(-inside // per_column) if up else inside // per_column)

    begin = grid.cell_offsets[notes.bar] + notes.step - grid.lead_steps[notes.bar]
    first = column(begin, up=False)
    stop = np.minimum(np.maximum(column(begin + notes.duration, up=True), first + 1), n)
    rows = (notes.part, notes.pitch, first, stop)
    return list(zip(*(each.tolist() for each in rows), strict=True))


def _pitched_cells(
    bars: Bars,
    parts: list[int],
    which: NDArray[np.bool_],
    per_column: int,
    places: NDArray[np.int64],
    n: int,
) -> tuple[_HalfCells, int, int]:
    """Cells, the highest pitch, and how many semitones half a character is."""
    spans = _note_spans(bars, which, per_column, places, n)
    pitches = [pitch for _, pitch, _, _ in spans]
    top, low = max(pitches), min(pitches)
    step = max(1, -(-(top - low + 1) // (2 * MAX_ROWS)))
    halves = (top - low) // step + 1
    cells = np.zeros((halves + halves % 2, n), np.int64)
    order = {part: nth for nth, part in enumerate(parts)}
    for part, pitch, first, stop in spans:
        row, colour = (top - pitch) // step, 2 * (order[part] + 1)
        free = cells[row, first:stop] % 2 == 0  # a beginning is not painted over
        cells[row, first:stop][free] = colour
        cells[row, first] = colour + 1
    return _HalfCells(cells[::2], cells[1::2]), top, step


def _drum_cells(
    bars: Bars, which: NDArray[np.bool_], per_column: int, places: NDArray[np.int64], n: int
) -> _HalfCells:
    """A line each for hats and cymbals, for snare and toms, for the kick."""
    cells = np.zeros((len(DRUM_LANES), n), np.int64)
    for _, pitch, first, _ in _note_spans(bars, which, per_column, places, n):
        cells[LANE_OF_CLASS.get(int(pitch_to_class(pitch)), 0), first] = 1
    return _HalfCells(cells, np.zeros_like(cells))


def _row_text(cells: _HalfCells, row: int, walls: set[int], colours: bool, unicode: bool) -> str:
    """One row of characters."""
    blocks, wall = (_BLOCKS, "│") if unicode else (_ASCII, "|")
    found = []
    for column, (above, below) in enumerate(
        zip(cells.upper[row].tolist(), cells.lower[row].tolist(), strict=True)
    ):
        if not above and not below:
            line = wall if column in walls else " "
            found.append(_colorize(line, 240) if colours and line != " " else line)
        elif not colours:
            found.append(blocks[bool(above) + 2 * bool(below)])
        elif above and below and above != below:
            found.append(_colorize(blocks[1], _cell_color(above), _cell_color(below)))
        else:
            found.append(
                _colorize(blocks[bool(above) + 2 * bool(below)], _cell_color(above or below))
            )
    return "".join(found).rstrip() if not colours else "".join(found)


def _cell_color(cell: int) -> int:
    if cell == 1:
        return DRUM_COLORS[0]
    part, begins = divmod(cell, 2)
    return PART_COLORS[(part - 1) % len(PART_COLORS)][0 if begins else 1]


def _colorize(text: str, colour: int, behind: int | None = None) -> str:
    back = "" if behind is None else f";48;5;{behind}"
    return f"\x1b[38;5;{colour}{back}m{text}\x1b[0m"


def _wrap(words: list[str], width: int) -> list[str]:
    """Words, with two spaces between, as lines that fit."""
    lines, used = [" " * LABEL_WIDTH], LABEL_WIDTH
    for word in words:
        long = len(click.unstyle(word))
        if used > LABEL_WIDTH and used + 2 + long > width:
            lines, used = [*lines, " " * LABEL_WIDTH], LABEL_WIDTH
        lines[-1] += ("  " if used > LABEL_WIDTH else "") + word
        used += long + (2 if used > LABEL_WIDTH else 0)
    return lines
