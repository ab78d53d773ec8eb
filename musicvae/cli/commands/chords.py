"""`musicvae chords`: the chords of songs as a chart, or as a lead sheet."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.console import (
    ANY_PATH,
    check_option_path,
    check_overwrite,
    emit,
    json_option,
    print_error,
    print_line,
    progress_bar,
    songs_argument,
)
from musicvae.cli.inputs import find_song_files, read_with_barlines
from musicvae.cli.options import read_options
from musicvae.cli.terminal import format_columns, print_wrapped
from musicvae.cli.writer import write_song
from musicvae.errors import DataError, MusicVAEError
from musicvae.io.options import ReadOptions
from musicvae.storage import exclusive_writes

if TYPE_CHECKING:
    from musicvae.tools.chords import SongChords, TimedChord

_BARS_A_LINE = 4
_SOURCES = {
    "stated": "stated",
    "found": "found from the notes",
    "guess": "found from the notes, a melody alone: a guess",
    "none": "none",
}


@click.command(name="chords")
@songs_argument
@click.option(
    "--out",
    type=ANY_PATH,
    help="Write the melody with its chords: a lead sheet in MusicXML (chart.musicxml).",
)
@click.option("--roman", is_flag=True, help="Show Roman numerals in the key of the song.")
@click.option(
    "--estimate", "ignore_stated", is_flag=True, help="Find chords even where the song states them."
)
@click.option("--force", is_flag=True, help="Overwrite an existing file of --out.")
@read_options
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[Path, ...],
    out: Path | None,
    roman: bool,
    ignore_stated: bool,
    force: bool,
    options: ReadOptions,
    as_json: bool,
) -> None:
    """Show the chords of songs (files or folders), bar by bar.

    Chords that a song states (lead sheets, ABC, MIDI with chord texts) are shown as they are, in
    all others they are found from the notes. A chord that lasts into a bar is shown as %.
    Bars count from 1; a pickup is bar 0.

    \b
    Examples:
      musicvae chords song.mid
      musicvae chords songs/ --json
      musicvae chords song.mid --out chart.musicxml
    """
    from musicvae.tools.chords import find_chords, lead_sheet

    songs = find_song_files(paths)
    if out is not None:
        if len(songs) > 1:
            raise DataError(f"--out {out}: one lead sheet for {len(songs)} songs; give one song")
        check_option_path(out, "--out", force=force)
    failed = False
    with progress_bar("finding chords") as advance:
        for done, path in enumerate(songs, start=1):
            try:
                found = find_chords(read_with_barlines(path, options), ignore_stated=ignore_stated)
                if out is not None:
                    check_overwrite(out, force=force, source=path)
                    with exclusive_writes(not force):
                        write_song(lead_sheet(found), out, f"musicvae chords {path.name}")
                if as_json:
                    emit(True, "chords", path=path, chords=_rows(found, roman=roman))
                else:
                    _print_chart(path, found, roman=roman)
            except MusicVAEError as error:
                failed = True
                print_error(error)
            finally:
                advance(done, len(songs))
    if failed:
        ctx.exit(1)


def _rows(found: SongChords, *, roman: bool) -> list[dict[str, object]]:
    """Return the chords of a song as plain data."""
    from musicvae.chords import format_harte

    key = _key(found) if roman else None
    rows: list[dict[str, object]] = []
    for each in found.chords:
        row: dict[str, object] = {
            "start_s": round(each.start_s, 4),
            "end_s": round(each.end_s, 4),
            "start_bar": each.start_bar,
            "label": format_harte(each.chord),
            "source": found.source,
            "confidence": round(each.confidence, 3),
        }
        if each.reason:
            row["reason"] = each.reason
        if key is not None:
            row["roman"] = _label(each, key)
        rows.append(row)
    return rows


def _key(found: SongChords) -> tuple[int, bool]:
    """Return the fifths of the key of a song and whether it is minor: stated, else estimated."""
    from musicvae.harmony.key import song_key

    return song_key(found.song)


def _label(each: TimedChord, key: tuple[int, bool] | None) -> str:
    """Return the symbol of a chord, or its Roman numeral in a key."""
    from musicvae.chords import format_symbol
    from musicvae.chords.roman import format_roman

    return format_symbol(each.chord) if key is None else format_roman(each.chord, *key)


def _print_chart(path: Path, found: SongChords, *, roman: bool) -> None:
    """Print the chords of a song, four bars a line, after a line of a pickup, bar 0."""
    from musicvae.representation.key import key_of_signature

    key = _key(found)
    name = str(key_of_signature(*key))
    print_wrapped(f"{path}: {name}, chords {_SOURCES[found.source]}")
    if not found.chords:
        print_line("  no chords: no pitched notes")
        return
    cells: list[str] = []
    for bar in found.by_bar():
        labels = [_label(each, key if roman else None) for each in bar]
        if bar and bar[0].bar_quarters > 0 and cells:
            labels.insert(0, "%")
        cells.append("  ".join(labels) or "%")
    pickup = int(found.has_pickup)
    starts = [0] * pickup + list(range(pickup, len(cells), _BARS_A_LINE))
    lines = [cells[a:b] for a, b in pairwise([*starts, len(cells)])]
    rows = [
        (
            str(start + 1 - pickup),
            *(f"| {cell}" for cell in line),
            *[""] * (_BARS_A_LINE - len(line)),
            "|",
        )
        for start, line in zip(starts, lines, strict=True)
    ]
    for line in format_columns(rows).splitlines():
        print_line(line)
