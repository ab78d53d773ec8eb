"""`musicvae transcribe`: transcribe hummed tunes and tapped rhythms to MIDI."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.console import (
    ANY_PATH,
    TEXT,
    FiniteFloat,
    OutputPath,
    check_overwrite,
    emit,
    force_option,
    json_option,
    print_error,
    print_line,
    progress_bar,
    stderr_console,
    write_free,
)
from musicvae.errors import ConfigError, DataError, MusicVAEError, one_line
from musicvae.storage import ensure_writable_folder, exclusive_writes, is_folder

if TYPE_CHECKING:
    from musicvae.io.result import ReadResult
    from musicvae.io.transcription import TranscribeOptions

METERS = ("2/4", "3/4", "4/4", "2/2", "3/2", "3/8", "6/8", "9/8", "12/8", "5/4", "5/8", "7/8")
MIDI_SUFFIXES = (".mid", ".midi")


@click.command(name="transcribe")
@click.argument("paths", nargs=-1, required=True, type=ANY_PATH)
@click.option(
    "--out",
    type=OutputPath(*MIDI_SUFFIXES),
    help="Output folder, or a .mid file for a single recording; by default beside each recording.",
)
@click.option(
    "--tempo",
    type=FiniteFloat(20, 400),
    help="Approximate tempo in quarters per minute; estimated by default.",
)
@click.option("--meter", type=click.Choice(METERS), help="Meter; estimated by default.")
@click.option(
    "--key",
    type=TEXT,
    default="none",
    show_default=True,
    metavar="none|auto|KEY",
    help="Move notes into the estimated key, or into a given one such as 'D minor', Eb or "
    "'G dorian'.",
)
@click.option("--quantise", is_flag=True, help="Quantize notes to sixteenths.")
@click.option(
    "--plot", is_flag=True, help="Also plot each song as a piano roll beside its MIDI file."
)
@force_option
@json_option
def command(
    paths: tuple[Path, ...],
    out: Path | None,
    tempo: float | None,
    meter: str | None,
    key: str,
    quantise: bool,
    plot: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Transcribe recordings (files or folders) of one hummed, sung or whistled voice, or of taps.

    The MIDI is in time with the recording, with bar lines on the estimated beats.

    \b
    Examples:
      musicvae transcribe hum.wav --out hum.mid
      musicvae transcribe hum.wav --key auto --quantise
      musicvae transcribe ideas/ --out songs/ --plot
    """
    from musicvae.io import write
    from musicvae.io.transcription import TranscribeOptions

    time_signature = tuple(int(n) for n in meter.split("/")) if meter else None
    try:
        options = TranscribeOptions(
            tempo_qpm=tempo,
            meter=(time_signature[0], time_signature[1]) if time_signature else None,
            key=None if key.lower() == "none" else "auto" if key.lower() == "auto" else key,
            quantize=quantise,
        )
    except ConfigError as error:
        raise click.BadParameter(str(error), param_hint="--key") from None
    files = _find_recordings(paths)
    single = out is not None and out.suffix.lower() in MIDI_SUFFIXES and not out.is_dir()
    if single and len(files) > 1:
        raise click.UsageError(f"--out {out} is a single file for {len(files)} recordings")
    folder = ensure_writable_folder(out) if out is not None and not single else None
    failed = False
    with progress_bar("transcribing") as advance:
        for done, path in enumerate(files, start=1):
            try:
                reading = _transcribe_file(path, options)
                save = partial(
                    write, reading.song, note=one_line(f"musicvae transcribe {path.name}")
                )
                if single and out is not None:
                    target = check_overwrite(out, force=force)
                    with exclusive_writes(not force):
                        save(target)
                else:
                    folder_here = folder or path.parent
                    target = write_free(folder_here, path.stem, ".mid", save, force=force)
                if plot:
                    from musicvae.plots import plot_song

                    draw = partial(plot_song, reading.song, title=path.stem)
                    write_free(target.parent, target.stem, ".png", draw, force=force)
            except MusicVAEError as error:
                failed = True
                print_error(error)
                continue
            finally:
                advance(done, len(files))
            _print_result(path, target, reading, as_json)
    if failed:
        raise SystemExit(1)


def _transcribe_file(path: Path, options: TranscribeOptions) -> ReadResult:
    """Transcribe a recording. Raises `ReadError` for other files."""
    from musicvae import io
    from musicvae.errors import ReadError
    from musicvae.io import transcription
    from musicvae.io.detect import detect_format

    content = io.load(path)
    kind = detect_format(content)
    if kind == "audio":
        return transcription.read_bytes(content, path, options)
    if kind in ("empty", "unknown"):
        io.read_bytes(content, path)  # raises an error that says what it is instead
    raise ReadError(path, "already a song, not a recording", "give a WAV, FLAC, MP3 or OGG file")


def _print_result(path: Path, target: Path, reading: ReadResult, as_json: bool) -> None:
    """Print what was recognized, and the file that was written."""
    song = reading.song
    stderr_console().print(one_line(f"{path}: recognized {reading.transcription_note}"))
    if not as_json:
        print_line(f"{target}: {song.n_notes} notes, {song.duration_s:.0f} s")
    emit(
        as_json,
        "transcribed",
        path=target,
        source=str(path),
        heard=reading.kind,
        notes=song.n_notes,
        duration_s=round(song.duration_s, 3),
        **reading.transcription_facts,
    )


def _find_recordings(paths: tuple[Path, ...]) -> list[Path]:
    """Return the given files and, by suffix, the recordings in the given folders.

    Raises `DataError` for a folder without recordings.
    """
    from musicvae.data.discover import files_under
    from musicvae.io.audio.load import RECORDING_SUFFIXES

    recordings: list[Path] = []
    for path in paths:
        if not is_folder(path):
            recordings.append(path)
            continue
        names = (path / name for name in files_under(path))
        recordings_here = [file for file in names if file.suffix.lower() in RECORDING_SUFFIXES]
        if not recordings_here:
            raise DataError(f"{path}: contains no recording; give WAV, FLAC, MP3 or OGG files")
        recordings += recordings_here
    return recordings
