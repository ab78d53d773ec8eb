"""`musicvae render`: songs as sound."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musicvae.cli.console import (
    INPUT_PATH,
    FiniteFloat,
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
from musicvae.cli.inputs import find_song_files
from musicvae.cli.options import song_read_options
from musicvae.cli.writer import AUDIO_FORMATS, announce_synth
from musicvae.errors import MusicVAEError, WriteError
from musicvae.io.options import ReadOptions
from musicvae.storage import ensure_writable_folder

if TYPE_CHECKING:
    from musicvae.io.audio.render import RenderOptions


@click.command(name="render")
@songs_argument
@click.option(
    "--out",
    type=OutputPath(*(f".{each}" for each in AUDIO_FORMATS)),
    help="A folder, or a .wav, .flac or .ogg file for one song; beside each song if not given.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(AUDIO_FORMATS),
    help="Of the files; wav, or what --out says.",
)
@click.option(
    "--soundfont", type=INPUT_PATH, help="SF2 file; General MIDI's of the wheel if not given."
)
@click.option(
    "--synth",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "fluidsynth", "midirenderer"]),
    help="FluidSynth if the system has it, else the synthesizer of the wheel.",
)
@click.option(
    "--lufs",
    type=FiniteFloat(-70, -5),
    default=-18.0,
    show_default=True,
    help="Integrated loudness.",
)
@click.option(
    "--rate",
    type=click.IntRange(8000, 192_000),
    default=48_000,
    show_default=True,
    help="Samples a second.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes; one a core if not given.")
@click.option(
    "--stems",
    is_flag=True,
    help="Also each part alone, song.bass.wav, as loud as in the mix.",
)
@song_read_options
@force_option
@json_option
def command(
    paths: tuple[Path, ...],
    out: Path | None,
    kind: str | None,
    soundfont: Path | None,
    synth: str,
    lufs: float,
    rate: int,
    workers: int | None,
    stems: bool,
    options: ReadOptions,
    force: bool,
    as_json: bool,
) -> None:
    """Render songs (files or folders) to stereo sound, all equally loud.

    \b
    Examples:
      musicvae render song.mid
      musicvae render songs/ --out sound/ --format flac
      musicvae render song.mid --out song.ogg --lufs -14
      musicvae render song.mid --stems --out stems/
    """
    from musicvae.io.audio.render import SUFFIXES, RenderOptions

    songs = find_song_files(paths)
    single = out is not None and out.suffix.lower() in SUFFIXES
    if single and len(songs) > 1:
        raise click.UsageError(f"--out {out} is one file; name a folder for {len(songs)} songs")
    if single and kind and out is not None and out.suffix.lower() != f".{kind}":
        raise click.UsageError(f"--out {out} is no {kind}; leave out --format")
    sound = RenderOptions(soundfont=soundfont, synth=synth, lufs=lufs, rate=rate)
    announce_synth(sound)
    suffix = f".{kind or AUDIO_FORMATS[0]}"
    jobs, failed = [], 0
    for path, target in _output_paths(songs, out, single, suffix):
        try:
            jobs.append((path, check_overwrite(target, force=force, source=path)))
        except WriteError as error:
            failed += 1
            print_error(error)
    workers = min(workers or os.cpu_count() or 1, max(len(jobs), 1))
    with progress_bar("rendering") as advance, _job_map(workers) as mapped:
        results = mapped([(*job, options, sound, stems, force) for job in jobs])
        for nth, (target, seconds, trouble) in enumerate(results, start=1):
            advance(nth, len(jobs))
            if trouble is not None:
                failed += 1
                print_error(trouble)
                continue
            if not as_json:
                print_line(f"{target}: {seconds:.0f} s")
            emit(as_json, "sound", path=target, duration_s=round(seconds, 3), rate=rate, lufs=lufs)
    if failed:
        raise SystemExit(1)


def _output_paths(
    songs: list[Path], out: Path | None, single: bool, suffix: str
) -> Iterator[tuple[Path, Path]]:
    """Where the sound of each song goes; of songs with one name the later ones get a number, and so
    does what would replace another of them.
    """
    if single and out is not None:
        yield from ((path, out) for path in songs)
        return
    folder = ensure_writable_folder(out) if out is not None else None
    taken = {os.path.realpath(path) for path in songs}
    for path in songs:
        wanted = (folder or path.parent) / f"{path.stem}{suffix}"
        own = os.path.realpath(path)  # which is refused later, with a hint
        target = first_free_path(wanted, partial(_is_free, taken, own))
        taken.add(os.path.realpath(target))
        yield path, target


def _is_free(taken: set[str], own: str, target: Path) -> bool:
    real = os.path.realpath(target)
    return real == own or real not in taken


Job = tuple[Path, Path, ReadOptions, "SoundOptions", bool, bool]
Outcome = tuple[Path, float, MusicVAEError | None]


def _render_job(job: Job) -> Outcome:
    """One song, read and rendered, in whatever process."""
    from musicvae import io
    from musicvae.io.audio.render import write_audio, write_stems
    from musicvae.io.stems import split_stems, stem_path

    path, target, options, sound, stems, force = job
    try:
        song = io.read(path, options)
        if stems:
            for name in split_stems(song):
                check_overwrite(stem_path(target, name), force=force)
            write_stems(song, target, sound)
            return target, song.duration_s, None
        return write_audio(song, target, sound), song.duration_s, None
    except MusicVAEError as error:
        return target, 0.0, error


@contextmanager
def _job_map(workers: int) -> Iterator[Any]:
    """What maps jobs to results in order: in this process if one is enough."""
    if workers == 1:
        yield lambda jobs: map(_render_job, jobs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            yield lambda jobs: pool.map(_render_job, jobs)
        except BrokenProcessPool:
            raise WriteError(
                "render", "a process died, perhaps for want of memory", "try --workers 1"
            ) from None
