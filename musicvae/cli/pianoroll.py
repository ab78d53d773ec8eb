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
from musicvae.representation.drums import HIGH, KICK, LOW, MID, SNARE, fold
from musicvae.representation.key import pitch_name
from musicvae.song import Song

# Of the 256 colours, by part: where a note begins, and where it goes on. Near Okabe and Ito's.
_COLOURS = ((39, 25), (208, 130), (43, 29), (213, 133), (117, 67), (220, 136))
_DRUMS = (252, 244)
_LABEL = 5  # characters before the roll
_LEAST_BARS, _TALLEST = 8, 24
_LANES = ("hats", "snar", "kick")
_LANE_OF = {KICK: 2, SNARE: 1, LOW: 1, MID: 1, HIGH: 1}
_BLOCKS, _ASCII = " ▀▄█", " '.:"

roll_option = click.option(
    "--roll/--no-roll",
    default=None,
    help="Draw a song in the terminal; done if it is one, unless told not to.",
)


@dataclass(frozen=True)
class _Cells:
    """`(rows, columns)`: 0 for silence, else twice the part's number, and 1 more for an onset."""

    upper: NDArray[np.int64]
    lower: NDArray[np.int64]


def check_roll(roll: bool | None, *, as_json: bool, songs: int = 1) -> None:
    """Raise a usage error for a roll that is asked for where none is drawn."""
    if roll and as_json:
        raise click.UsageError("--roll and --json do not go together; say one of them")
    if roll and songs != 1:
        raise click.UsageError(f"--roll draws one song, not {songs:,}; give a single file")


def show_roll(song: Song, roll: bool | None) -> None:
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
    per_column, shown = _scale(bars, width - _LABEL)
    places, n_columns = _places(bars, per_column, shown)
    lines = []
    pitched = _sounding(song)
    notes, drum = bars.notes, np.array([part.is_drum for part in song.parts])
    inside = notes.bar < shown
    of_drums = drum[notes.part]
    walls = set(places[:shown].tolist())
    if (inside & ~of_drums).any():
        which = inside & ~of_drums
        cells, top, step = _pitched(bars, pitched, which, per_column, places, n_columns)
        for row in range(len(cells.upper)):
            high = top - 2 * step * row
            label = pitch_name(high) if row % 6 == 0 else ""
            lines.append(label.rjust(_LABEL - 1) + " " + _line(cells, row, walls, colours, unicode))
    if (inside & of_drums).any():
        cells = _drummed(bars, inside & of_drums, per_column, places, n_columns)
        names = [f"{name:>{_LABEL - 1}} " for name in _LANES]
        used = [row for row in range(len(_LANES)) if cells.upper[row].any()]
        lines += [names[row] + _line(cells, row, walls, colours, unicode) for row in used]
    legend = [_counted(len(bars), shown, pickup=bool(len(bars) and bars.grid.lead[0] > 0))]
    if colours:
        legend += [
            _painted("■" if unicode else "#", _COLOURS[i % len(_COLOURS)][0])
            + " "
            + (one_line(song.parts[nth].name)[:16] or f"part {nth + 1}")
            for i, nth in enumerate(pitched[: len(_COLOURS)])
        ]
    return [*lines, *_wrapped(legend, width)]


def _counted(n: int, shown: int, *, pickup: bool) -> str:
    """Which bars are shown, in words; a pickup is bar 0, as everywhere."""
    n, shown = n - pickup, shown - pickup
    if shown < n:
        said = f"bars 1 to {shown} of {n}" if shown else f"none of {n} bars"
    else:
        said = f"{n} bar" + "s" * (n != 1)
    return f"a pickup and {said}" if pickup and n else "a pickup" if pickup else said


def _sounding(song: Song) -> list[int]:
    """The parts that have pitches, and notes."""
    return [nth for nth, part in enumerate(song.parts) if not part.is_drum and len(part)]


def _scale(bars: Bars, width: int) -> tuple[int, int]:
    """Cells of a column, and how many bars are shown: finer where the song is short."""
    spq, n = bars.grid.steps_per_quarter, len(bars)
    for per_column in (spq // 4, spq // 3, spq // 2, spq, 2 * spq, 4 * spq):
        wide = np.cumsum(-(-bars.grid.open_steps // per_column) + 1)
        fitting = int(np.searchsorted(wide, width, side="right"))
        if fitting >= min(n, _LEAST_BARS):
            return per_column, fitting
    return per_column, max(fitting, 1)


def _places(bars: Bars, per_column: int, shown: int) -> tuple[NDArray[np.int64], int]:
    """The column of each bar's line; notes begin one further on."""
    wide = -(-bars.grid.open_steps // per_column) + 1
    places = np.concatenate([[0], np.cumsum(wide)])
    return places, int(places[shown])


def _spans(
    bars: Bars, which: NDArray[np.bool_], per_column: int, places: NDArray[np.int64], n: int
) -> list[tuple[int, int, int, int]]:
    """Part, pitch, first column and the one after the last, of each note."""
    grid, notes = bars.grid, bars.notes.take(which)

    def column(cell: NDArray[np.int64], *, up: bool) -> NDArray[np.int64]:
        bar = np.clip(grid.base.searchsorted(cell - up, side="right") - 1, 0, len(grid) - 1)
        inside = cell - grid.base[bar]
        return places[bar] + 1 + (-(-inside // per_column) if up else inside // per_column)

    begin = grid.base[notes.bar] + notes.step - grid.lead[notes.bar]
    first = column(begin, up=False)
    stop = np.minimum(np.maximum(column(begin + notes.duration, up=True), first + 1), n)
    rows = (notes.part, notes.pitch, first, stop)
    return list(zip(*(each.tolist() for each in rows), strict=True))


def _pitched(
    bars: Bars,
    parts: list[int],
    which: NDArray[np.bool_],
    per_column: int,
    places: NDArray[np.int64],
    n: int,
) -> tuple[_Cells, int, int]:
    """Cells, the highest pitch, and how many semitones half a character is."""
    spans = _spans(bars, which, per_column, places, n)
    pitches = [pitch for _, pitch, _, _ in spans]
    top, low = max(pitches), min(pitches)
    step = max(1, -(-(top - low + 1) // (2 * _TALLEST)))
    halves = (top - low) // step + 1
    cells = np.zeros((halves + halves % 2, n), np.int64)
    order = {part: nth for nth, part in enumerate(parts)}
    for part, pitch, first, stop in spans:
        row, colour = (top - pitch) // step, 2 * (order[part] + 1)
        free = cells[row, first:stop] % 2 == 0  # a beginning is not painted over
        cells[row, first:stop][free] = colour
        cells[row, first] = colour + 1
    return _Cells(cells[::2], cells[1::2]), top, step


def _drummed(
    bars: Bars, which: NDArray[np.bool_], per_column: int, places: NDArray[np.int64], n: int
) -> _Cells:
    """A line each for hats and cymbals, for snare and toms, for the kick."""
    cells = np.zeros((len(_LANES), n), np.int64)
    for _, pitch, first, _ in _spans(bars, which, per_column, places, n):
        cells[_LANE_OF.get(int(fold(pitch)), 0), first] = 1
    return _Cells(cells, np.zeros_like(cells))


def _line(cells: _Cells, row: int, walls: set[int], colours: bool, unicode: bool) -> str:
    """One row of characters."""
    blocks, wall = (_BLOCKS, "│") if unicode else (_ASCII, "|")
    found = []
    for column, (above, below) in enumerate(
        zip(cells.upper[row].tolist(), cells.lower[row].tolist(), strict=True)
    ):
        if not above and not below:
            line = wall if column in walls else " "
            found.append(_painted(line, 240) if colours and line != " " else line)
        elif not colours:
            found.append(blocks[bool(above) + 2 * bool(below)])
        elif above and below and above != below:
            found.append(_painted(blocks[1], _colour(above), _colour(below)))
        else:
            found.append(_painted(blocks[bool(above) + 2 * bool(below)], _colour(above or below)))
    return "".join(found).rstrip() if not colours else "".join(found)


def _colour(cell: int) -> int:
    if cell == 1:
        return _DRUMS[0]
    part, begins = divmod(cell, 2)
    return _COLOURS[(part - 1) % len(_COLOURS)][0 if begins else 1]


def _painted(text: str, colour: int, behind: int | None = None) -> str:
    back = "" if behind is None else f";48;5;{behind}"
    return f"\x1b[38;5;{colour}{back}m{text}\x1b[0m"


def _wrapped(words: list[str], width: int) -> list[str]:
    """Words, with two spaces between, as lines that fit."""
    lines, used = [" " * _LABEL], _LABEL
    for word in words:
        long = len(click.unstyle(word))
        if used > _LABEL and used + 2 + long > width:
            lines, used = [*lines, " " * _LABEL], _LABEL
        lines[-1] += ("  " if used > _LABEL else "") + word
        used += long + (2 if used > _LABEL else 0)
    return lines
