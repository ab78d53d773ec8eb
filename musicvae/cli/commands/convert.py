"""`musicvae convert`: convert songs to MIDI or scores, whole or part by part."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import click

from musicvae.chords import ChordMap
from musicvae.cli.console import (
    OutputPath,
    check_overwrite,
    emit,
    first_free_path,
    force_option,
    json_option,
    print_error,
    print_line,
    progress_bar,
    songs_argument,
)
from musicvae.cli.inputs import find_song_files, read_with_barlines
from musicvae.cli.options import song_read_options
from musicvae.cli.writer import STEMS_RESERVE, write_song
from musicvae.errors import MusicVAEError, WriteError
from musicvae.io.members import song_stem
from musicvae.io.options import ReadOptions
from musicvae.io.stems import split_stems, stem_path
from musicvae.representation.chord_track import chord_track as build_chord_track
from musicvae.song import Song
from musicvae.storage import ensure_writable_folder, exclusive_writes, fit_stem

_SUFFIXES = (".mid", ".musicxml", ".mxl", ".xml")


@click.command(name="convert")
@songs_argument
@click.option(
    "--out",
    type=OutputPath(*_SUFFIXES),
    help="Output folder, or a .mid, .musicxml or .mxl file for a single song; by default beside "
    "each song.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice([suffix[1:] for suffix in _SUFFIXES if suffix != ".xml"]),
    help="File format; by default that of --out, else musicxml.",
)
@click.option("--stems", is_flag=True, help="Also write each part to its own file: song.bass.mid.")
@click.option(
    "--chords/--no-chords",
    default=True,
    show_default=True,
    help="Write the chords of songs: symbols in scores, markers in MIDI.",
)
@click.option(
    "--chord-track", is_flag=True, help="Also write the chords as a part of block chords."
)
@song_read_options
@force_option
@json_option
def command(
    paths: tuple[Path, ...],
    out: Path | None,
    kind: str | None,
    stems: bool,
    chords: bool,
    chord_track: bool,
    options: ReadOptions,
    force: bool,
    as_json: bool,
) -> None:
    """Convert songs (files or folders) to MusicXML scores or to MIDI.

    Bar lines are estimated from the music as in all commands. Scores have voices, staves, ties,
    triplets, drums and chord symbols, and open in notation programs.

    \b
    Examples:
      musicvae convert song.mid
      musicvae convert songs/ --out scores/ --format mxl
      musicvae convert song.mid --format mid --stems --out stems/
      musicvae convert leadsheet.mxl --format mid --chord-track
    """
    songs = find_song_files(paths)
    single = out is not None and out.suffix.lower() in _SUFFIXES
    if single and len(songs) > 1:
        raise click.UsageError(f"--out {out} is a single file: give one song, or a folder")
    if out is not None and single and kind and kind not in _kinds(out):
        raise click.UsageError(f"--format {kind} and --out {out} disagree: omit one of them")
    suffix = f".{kind or 'musicxml'}"
    folder = None if single or out is None else ensure_writable_folder(out)
    sources = {os.path.realpath(path) for path in songs}
    taken: set[str] = set()
    failed = False
    with progress_bar("writing") as advance:
        for done, path in enumerate(songs, start=1):
            stem = fit_stem(song_stem(path), STEMS_RESERVE if stems else len(suffix))
            preferred = (folder or path.parent) / f"{stem}{suffix}"
            if single and out is not None:
                preferred = out
            try:
                song = _with_chords(read_with_barlines(path, options).song, chords, chord_track)
                parts = split_stems(song) if stems else {}
                check_overwrite(preferred, force=True, source=path)
                target = _free_target(preferred, parts, sources | taken)
                if single and target != preferred:
                    hint = "choose another name with --out"
                    raise WriteError(preferred, "has stems that would replace the input", hint)
                stem_files = {stem_path(target, name): part for name, part in parts.items()}
                files = {target: song, **stem_files}
                for each in files:
                    check_overwrite(each, force=force)
                taken.update(os.path.realpath(each) for each in files)
                with exclusive_writes(not force):
                    n_notes, *_ = [
                        write_song(written, each, f"musicvae convert {path.name}")
                        for each, written in files.items()
                    ]
            except MusicVAEError as error:
                failed = True
                print_error(error)
                continue
            finally:
                advance(done, len(songs))
            emit(
                as_json,
                "song",
                path=target,
                source=str(path),
                notes=n_notes,
                left_out=song.n_notes - n_notes,
                **({"stems": [str(each) for each in stem_files]} if stems else {}),
            )
            if not as_json:
                more = f", and {len(stem_files)} stems" if stems else ""
                print_line(f"{target}: {n_notes} notes{more}")
    if failed:
        raise SystemExit(1)


def _with_chords(song: Song, keep: bool, as_part: bool) -> Song:
    """Return a song with its chords as a part if `as_part`, and as symbols only if `keep`."""
    if as_part and len(song.chords):
        song = replace(song, parts=(*song.parts, build_chord_track(song)))
    return song if keep else replace(song, chords=ChordMap.none())


def _kinds(path: Path) -> tuple[str, ...]:
    """Return the values of --format that the suffix of a path stands for."""
    suffix = path.suffix.lower()[1:]
    return ("musicxml",) if suffix == "xml" else (suffix,)


def _free_target(preferred: Path, parts: Iterable[str], taken: set[str]) -> Path:
    """Return `preferred`, numbered if it or one of its stems is among the paths `taken`."""

    def is_free(target: Path) -> bool:
        files = (target, *(stem_path(target, name) for name in parts))
        return not taken & {os.path.realpath(file) for file in files}

    return first_free_path(preferred, is_free)
