"""`musicvae render`: render songs to audio."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musicvae.cli.console import (
    ANY_PATH,
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
from musicvae.cli.inputs import find_song_files, print_left_out
from musicvae.cli.options import song_read_options
from musicvae.cli.writer import (
    AUDIO_FORMATS,
    SYNTHESIZER_NAMES,
    announce_synthesizer,
)
from musicvae.config.size_limits import MAX_WORKERS
from musicvae.errors import MusicVAEError, WriteError
from musicvae.io.members import song_stem
from musicvae.io.options import ReadOptions
from musicvae.processes import worker_pool
from musicvae.storage import ensure_writable_folder, exclusive_writes, fit_stem

if TYPE_CHECKING:
    from musicvae.io.audio.render import RenderOptions


@click.command(name="render")
@songs_argument
@click.option(
    "--out",
    type=OutputPath(*(f".{each}" for each in AUDIO_FORMATS)),
    help="Output folder, or a .wav, .flac or .ogg file for a single song; by default beside each "
    "song.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(AUDIO_FORMATS),
    help="Audio format; by default that of --out, else wav.",
)
@click.option(
    "--soundfont",
    type=ANY_PATH,
    help="SoundFont (SF2); by default the General MIDI one of the package.",
)
@click.option(
    "--synthesizer",
    "--synth",
    default="auto",
    show_default=True,
    type=click.Choice(SYNTHESIZER_NAMES),
    help="Synthesizer; auto is the first one installed.",
)
@click.option(
    "--lufs",
    type=FiniteFloat(-70, -5),
    default=-18.0,
    show_default=True,
    help="Integrated loudness in LUFS.",
)
@click.option(
    "--rate",
    type=click.IntRange(8000, 192_000),
    default=48_000,
    show_default=True,
    help="Sampling rate in Hz.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, MAX_WORKERS),
    help="Number of processes; one per core by default.",
)
@click.option(
    "--stems",
    is_flag=True,
    help="Also render each part to its own file, song.bass.wav, as loud as in the mix.",
)
@song_read_options
@force_option
@json_option
def command(
    paths: tuple[Path, ...],
    out: Path | None,
    kind: str | None,
    soundfont: Path | None,
    synthesizer: str,
    lufs: float,
    rate: int,
    workers: int | None,
    stems: bool,
    options: ReadOptions,
    force: bool,
    as_json: bool,
) -> None:
    """Render songs (files or folders) to stereo audio of equal loudness.

    \b
    Examples:
      musicvae render song.mid
      musicvae render songs/ --out sound/ --format flac
      musicvae render song.mid --out song.ogg --lufs -14
      musicvae render song.mid --stems --out stems/
    """
    from musicvae.io.audio.render import AUDIO_SUFFIXES, RenderOptions

    songs = find_song_files(paths)
    single = out is not None and out.suffix.lower() in AUDIO_SUFFIXES
    if single and len(songs) > 1:
        raise click.UsageError(
            f"--out {out} is a single file; give a folder for {len(songs)} songs"
        )
    if single and kind and out is not None and out.suffix.lower() != f".{kind}":
        raise click.UsageError(f"--out {out} is not a {kind} file; omit --format")
    sound = RenderOptions(soundfont=soundfont, synthesizer=synthesizer, lufs=lufs, rate=rate)
    announce_synthesizer(sound)
    suffix = f".{kind or AUDIO_FORMATS[0]}"
    jobs, failed = [], 0
    for path, target in _output_paths(songs, out, single, suffix):
        try:
            jobs.append((path, check_overwrite(target, force=force, source=path)))
        except WriteError as error:
            failed += 1
            print_error(error)
    workers = min(workers or os.cpu_count() or 1, max(len(jobs), 1))
    with progress_bar("rendering") as advance, _job_map(workers) as run_jobs:
        results = run_jobs([(*job, options, sound, stems, force) for job in jobs])
        for nth, (target, seconds, left_out, failure) in enumerate(results, start=1):
            advance(nth, len(jobs))
            if failure is not None:
                failed += 1
                print_error(failure)
                continue
            print_left_out(target, left_out)
            if not as_json:
                print_line(f"{target}: {seconds:.0f} s")
            emit(as_json, "sound", path=target, duration_s=round(seconds, 3), rate=rate, lufs=lufs)
    if failed:
        raise SystemExit(1)


def _output_paths(
    songs: list[Path], out: Path | None, single: bool, suffix: str
) -> Iterator[tuple[Path, Path]]:
    """Yield each song with its output path; paths that would replace an input or an earlier output
    are numbered.
    """
    if single and out is not None:
        yield from ((path, out) for path in songs)
        return
    folder = ensure_writable_folder(out) if out is not None else None
    taken = {os.path.realpath(path) for path in songs}
    for path in songs:
        preferred = (folder or path.parent) / f"{fit_stem(song_stem(path), len(suffix))}{suffix}"
        source = os.path.realpath(path)  # refused later, with a hint
        target = first_free_path(preferred, partial(_is_free, taken, source))
        taken.add(os.path.realpath(target))
        yield path, target


def _is_free(taken: set[str], source: str, target: Path) -> bool:
    """Whether a path is that of the song itself or not in use."""
    real = os.path.realpath(target)
    return real == source or real not in taken


Job = tuple[Path, Path, ReadOptions, "RenderOptions", bool, bool]
Outcome = tuple[Path, float, tuple[str, ...], MusicVAEError | None]


def _render_job(job: Job) -> Outcome:
    """Read and render one song; runs in any process."""
    from musicvae import io
    from musicvae.io.audio.render import write_audio, write_stems
    from musicvae.io.stems import split_stems, stem_path

    path, target, options, sound, stems, force = job
    try:
        reading = io.read_bytes(io.load(path), path, options)
        song = reading.song
        with exclusive_writes(not force):
            if stems:
                for name in split_stems(song):
                    check_overwrite(stem_path(target, name), force=force)
                write_stems(song, target, sound)
            else:
                write_audio(song, target, sound)
        return target, song.duration_s, reading.left_out, None
    except MusicVAEError as error:
        return target, 0.0, (), error


@contextmanager
def _job_map(workers: int) -> Iterator[Any]:
    """Yield a function that maps jobs to results in order; in this process if `workers` is 1."""
    if workers == 1:
        yield lambda jobs: map(_render_job, jobs)
        return
    try:
        with worker_pool(workers) as pool:
            yield lambda jobs: pool.map(_render_job, jobs)
    except BrokenProcessPool:
        raise WriteError(
            "render", "a process died, perhaps out of memory", "try --workers 1"
        ) from None
