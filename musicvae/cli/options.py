"""Option groups of the commands: reading, models, output, sound, pictures and reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from musicvae.cli.console import (
    ANY_PATH,
    FiniteFloat,
    check_option_path,
    checkpoint_option,
    device_option,
    emit,
    force_option,
    json_option,
    print_error,
    print_line,
    progress_bar,
    seed_option,
)
from musicvae.cli.inputs import ModelPicker, find_song_files, load_model, naming, read_with_barlines
from musicvae.cli.writer import AUDIO_FORMATS, AudioOutput, SongWriter, announce_synthesizer
from musicvae.config.size_limits import MAX_SONGS
from musicvae.errors import MusicVAEError
from musicvae.io.members import song_stem
from musicvae.io.options import ReadOptions
from musicvae.storage import exclusive_writes

if TYPE_CHECKING:
    from musicvae.downbeats import BarlineEstimate
    from musicvae.model import MusicVAE
    from musicvae.plots import Theme
    from musicvae.report import AudioEmbedding, Page
    from musicvae.report.audio import ProgressCallback
    from musicvae.song import Song

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Any], Any]

temperature_option = click.option(
    "--temperature",
    type=FiniteFloat(min=0),
    default=1.0,
    show_default=True,
    help="Sampling temperature: below 1 more typical, above 1 more varied.",
)
variants_option = click.option(
    "--n",
    type=click.IntRange(1, MAX_SONGS),
    default=1,
    show_default=True,
    help="Number of results per song.",
)
_score_option = click.option(
    "--score", is_flag=True, help="Also write a MusicXML score beside each MIDI file."
)
_stems_option = click.option(
    "--stems", is_flag=True, help="Also write each part to its own file: song.bass.mid."
)


def option_group(
    target: str,
    options: Mapping[str, Decorator],
    build: Callable[..., Any],
    *,
    peek: Sequence[str] = (),
) -> Callable[[Command], Command]:
    """Return a decorator that adds options to a command and passes their values as one argument.

    Args:
        target: name of the argument that the command receives.
        options: option decorators by the name of their value, in the order of the help.
        build: makes the argument from the values, which it gets as keyword arguments.
        peek: options of other groups whose values `build` gets too if the command has them; the
            decorator must stand above those groups.
    """

    def decorate(command: Command) -> Command:
        @wraps(command)
        def call(**arguments: Any) -> Any:
            values = {name: arguments.pop(name) for name in options}
            values |= {name: arguments[name] for name in peek if name in arguments}
            return command(**{target: build(**values)}, **arguments)

        decorated: Any = call
        for option in reversed(list(options.values())):
            decorated = option(decorated)
        return decorated

    return decorate


# -- reading --------------------------------------------------------------------------------------

_READ_FLAGS = {
    "pedal": click.option("--pedal", is_flag=True, help="Let the sustain pedal lengthen notes."),
    "repeats": click.option("--repeats", is_flag=True, help="Play the repeats of scores."),
    "keep_tracks": click.option(
        "--keep-tracks", is_flag=True, help="Do not merge tracks of the same instrument."
    ),
    "ungridded": click.option(
        "--allow-ungridded",
        "ungridded",
        is_flag=True,
        help="Accept performances that follow no metrical grid: beats are tracked from the onsets, "
        "for bars with a tempo map.",
    ),
    "as_written": click.option(
        "--as-written", is_flag=True, help="Trust the bar lines that the file states."
    ),
}


def _build_read_options(*, keep_tracks: bool = False, **flags: bool) -> ReadOptions:
    return ReadOptions(merge=not keep_tracks, **flags)


read_options = option_group("options", _READ_FLAGS, _build_read_options)
"""Options of reading files; the command receives `options`, a `ReadOptions`."""
song_read_options = option_group(
    "options",
    {name: flag for name, flag in _READ_FLAGS.items() if name != "keep_tracks"},
    _build_read_options,
)
"""`read_options` without `--keep-tracks`: a model assigns parts to slots itself."""


# -- models and generated songs -------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Values of the options that all commands with a model share."""

    options: ReadOptions = field(default_factory=ReadOptions)
    force: bool = False
    checkpoint: str | None = None
    seed: int = 0
    device: str = "auto"
    as_json: bool = False

    def models(self, corruptions: Sequence[str] = ()) -> ModelPicker:
        """Return a picker of the best model for each song; see `ModelPicker`."""
        return ModelPicker(self.checkpoint, self.device, corruptions)

    def model(self, **kwargs: Any) -> MusicVAE:
        """Load one model for all songs; `kwargs` as for `load_model`."""
        return load_model(self.checkpoint, self.device, **kwargs)


@dataclass(frozen=True, kw_only=True)
class GenerateOptions(ModelOptions):
    """Values of the options that all commands that write songs share."""

    out: Path | None = None
    audio: AudioOutput | None = None
    score: bool = False
    stems: bool = False

    def writer(self, folder: Path | None = None) -> SongWriter:
        """Return a writer of songs into `folder`, by default `--out`."""
        return SongWriter(
            folder or self.out or Path(),
            as_json=self.as_json,
            audio=self.audio,
            score=self.score,
            stems=self.stems,
        )

    def for_each_song(
        self, paths: Sequence[Path], process: Callable[[Path, BarlineEstimate], None]
    ) -> None:
        """Read every song under `paths` and call `process` with its path and the song.

        An error of one song is printed and the others are still processed; then the command exits
        with 1.
        """
        failed, songs = False, find_song_files(paths)
        with progress_bar("songs") as advance:
            for done, path in enumerate(songs, start=1):
                try:
                    process(path, read_with_barlines(path, self.options))
                except MusicVAEError as error:
                    failed = True
                    print_error(naming(path, error))
                advance(done, len(songs))
        if failed:
            raise SystemExit(1)

    def write_variants(
        self,
        paths: Sequence[Path],
        n: int,
        generate: Callable[[MusicVAE, BarlineEstimate, int], Song],
        *,
        command: str,
        **settings: Any,
    ) -> None:
        """Generate `n` songs from each song, with consecutive seeds, and write them numbered.

        `settings` are options of the command, by name; they are recorded in the files and in JSON.
        """
        writer, models = self.writer(), self.models()
        words = " ".join(
            f"--{name} {value:g}" if isinstance(value, float) else f"--{name} {value}"
            for name, value in settings.items()
        )

        def process(path: Path, song: BarlineEstimate) -> None:
            model = models.for_song(song)
            for seed in range(self.seed, self.seed + n):
                note = f"musicvae {command} {path.name} {words} --seed {seed}"
                writer.write_numbered(
                    generate(model, song, seed),
                    song_stem(path),
                    note=f"{note} checkpoint {model.hash}",
                    **settings,
                    seed=seed,
                    source=str(path),
                )

        self.for_each_song(paths, process)


def model_options(
    *, reads: bool = True, force: bool = False, checkpoint: bool = True, seed: bool = False
) -> Callable[[Command], Command]:
    """Return a decorator for commands with a model; they receive `shared`, a `ModelOptions`.

    Args:
        reads: add the options of reading songs.
        force: add `--force`, for commands that write files under given names.
        checkpoint: add `--checkpoint`.
        seed: add `--seed`, for commands that sample.
    """
    return option_group("shared", _model_option_table(reads, force, checkpoint, seed), ModelOptions)


def generate_options(
    out: str | None,
    *,
    help: str = "Output folder.",
    reads: bool = True,
    force: bool = False,
    seed: bool = False,
) -> Callable[[Command], Command]:
    """Return a decorator for commands that write songs; they receive `shared`, a `GenerateOptions`.

    Args:
        out: default of `--out`.
        help: help of `--out`.
        reads, force, seed: as for `model_options`.
    """
    default: dict[str, Any] = {"default": Path(out), "show_default": True} if out else {}
    options: dict[str, Decorator] = {
        "out": click.option("--out", type=ANY_PATH, help=help, **default),
        "audio": audio_options,
        "score": _score_option,
        "stems": _stems_option,
        **_model_option_table(reads, force, True, seed),
    }
    return option_group("shared", options, GenerateOptions)


def _model_option_table(
    reads: bool, force: bool, checkpoint: bool, seed: bool
) -> dict[str, Decorator]:
    table: dict[str, tuple[bool, Decorator]] = {
        "options": (reads, song_read_options),
        "force": (force, force_option),
        "checkpoint": (checkpoint, checkpoint_option),
        "seed": (seed, seed_option),
        "device": (True, device_option),
        "as_json": (True, json_option),
    }
    return {name: option for name, (wanted, option) in table.items() if wanted}


# -- sound, pictures, reports ---------------------------------------------------------------------


def _build_audio_output(
    *, audio: bool, audio_format: str | None, soundfont: Path | None
) -> AudioOutput | None:
    if not (audio or audio_format or soundfont):
        return None
    return AudioOutput(suffix=f".{audio_format or AUDIO_FORMATS[0]}", soundfont=soundfont)


audio_options = option_group(
    "audio",
    {
        "audio": click.option(
            "--audio", is_flag=True, help="Also render each song to a WAV file beside its MIDI."
        ),
        "audio_format": click.option(
            "--audio-format", type=click.Choice(AUDIO_FORMATS), help="Render to this format."
        ),
        "soundfont": click.option(
            "--soundfont", type=ANY_PATH, help="SoundFont (SF2) to render with."
        ),
    },
    _build_audio_output,
)
"""Options of rendering; the command receives `audio`, an `AudioOutput` or None."""


def _build_theme(*, theme: str, transparent: bool) -> Theme:
    from musicvae.plots import themes

    return themes.get_theme(theme, transparent=transparent)


theme_options = option_group(
    "theme",
    {
        "theme": click.option(
            "--theme",
            type=click.Choice(["light", "dark"]),
            default="light",
            show_default=True,
            help="Color theme of pictures.",
        ),
        "transparent": click.option(
            "--transparent", is_flag=True, help="Make the background of pictures transparent."
        ),
    },
    _build_theme,
)
"""Options of the look of pictures; the command receives `theme`, a `plots.Theme`."""


def check_plot_path(path: Path, option: str = "--plot", *, force: bool | None = None) -> Path:
    """Return the path of a picture if it can be drawn in that format and written there.

    Called before any work is done. Raises `WriteError`.
    """
    from musicvae.plots.style import check_suffix

    check_suffix(path)
    return check_option_path(path, option, force=force)


def print_plot_path(path: Path, *, as_json: bool) -> None:
    """Print the path of a picture that was drawn, or a JSON object with it."""
    emit(as_json, "plot", path=path)
    if not as_json:
        print_line(str(path))


PageBuilder = Callable[["AudioEmbedding", "ProgressCallback"], "Page"]


@dataclass(frozen=True, kw_only=True)
class ReportFile:
    """Where a report is written, and the SoundFont that renders its songs."""

    path: Path
    soundfont: Path | None = None
    as_json: bool = False
    force: bool = False

    def write(self, build: PageBuilder) -> None:
        """Build the page, with a progress bar while its songs are rendered; write and print it."""
        from musicvae.io.audio.render import RenderOptions
        from musicvae.report import AudioEmbedding

        sound = RenderOptions(soundfont=self.soundfont, rate=24_000)
        announce_synthesizer(sound)
        with progress_bar("rendering the report") as advance:
            page = build(AudioEmbedding(sound=sound), advance)
        with exclusive_writes(not self.force):
            page.save(self.path)
        emit(self.as_json, "report", path=self.path, songs=page.n_songs)
        if not self.as_json:
            print_line(str(self.path))


def _build_report_file(
    *,
    report: Path | None,
    force: bool | None = None,
    soundfont: Path | None = None,
    as_json: bool = False,
) -> ReportFile | None:
    """Return the report file, checked before any work is done. Raises `WriteError`."""
    if report is None:
        return None
    from musicvae.report.page import check_path

    path = check_option_path(check_path(report), "--report", force=force)
    return ReportFile(path=path, soundfont=soundfont, as_json=as_json, force=bool(force))


report_option = option_group(
    "report",
    {
        "report": click.option(
            "--report",
            type=ANY_PATH,
            metavar="PATH.html",
            help="Also write a self-contained HTML page in which the songs can be played.",
        )
    },
    _build_report_file,
    peek=("force", "soundfont", "as_json"),
)
"""`--report`; the command receives `report`, a `ReportFile` or None.

Stands above the options that add `--json`, `--force` and `--soundfont`.
"""
