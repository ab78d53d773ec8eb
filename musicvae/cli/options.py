"""Floor 11: the options of every command that makes songs, and its way through the songs given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from musicvae.cli.console import (
    FiniteFloat,
    checkpoint_option,
    device_option,
    force_option,
    json_option,
    print_error,
    progress_bar,
    seed_option,
)
from musicvae.cli.inputs import ModelPicker, find_song_files, load_model, read_with_barlines
from musicvae.cli.writer import AUDIO_FORMATS, AudioOutput, SongWriter, announce_synth
from musicvae.errors import MusicVAEError
from musicvae.io.options import ReadOptions

if TYPE_CHECKING:
    from musicvae.downbeats import BarlineEstimate
    from musicvae.model import MusicVAE
    from musicvae.song import Song
from typing import TYPE_CHECKING

from musicvae.cli.console import check_option_path, emit, print_line

if TYPE_CHECKING:
    from musicvae.report import Embedding, Page
    from musicvae.report.audio import Progress
from typing import TYPE_CHECKING

from musicvae.cli.console import INPUT_PATH

if TYPE_CHECKING:
    from musicvae.song import Song

Command = TypeVar("Command", bound=Callable[..., Any])

variants_option = click.option(
    "--n", type=click.IntRange(min=1), default=1, show_default=True, help="How many of each song."
)
temperature_option = click.option(
    "--temperature",
    type=FiniteFloat(min=0),
    default=1.0,
    show_default=True,
    help="Below 1 nearer to the usual, above 1 bolder.",
)

score_option = click.option(
    "--score", is_flag=True, help="Also write a score beside each MIDI: MusicXML."
)
stems_option = click.option(
    "--stems",
    is_flag=True,
    help="Also write each part alone, song.bass.mid, and its sound.",
)


@dataclass(frozen=True, kw_only=True)
class GenerateOptions:
    """What the shared options say: how songs are read, by what model, where and how they go."""

    out: Path | None = None
    options: ReadOptions = field(default_factory=ReadOptions)
    force: bool = False
    audio: AudioOutput | None = None
    score: bool = False
    stems: bool = False
    checkpoint: str | None = None
    seed: int = 0
    device: str = "auto"
    as_json: bool = False

    def writer(self, folder: Path | None = None) -> SongWriter:
        """What writes songs into `--out`, or into another folder."""
        return SongWriter(
            folder or self.out or Path(),
            as_json=self.as_json,
            audio=self.audio,
            score=self.score,
            stems=self.stems,
        )

    def models(self, corruptions: Sequence[str] = ()) -> ModelPicker:
        """For each song the model that suits it."""
        return ModelPicker(self.checkpoint, self.device, corruptions)

    def model(self, **chosen: Any) -> MusicVAE:
        """One model for all; see `load_model`."""
        return load_model(self.checkpoint, self.device, **chosen)

    def for_each_song(
        self, paths: Sequence[Path], do: Callable[[Path, BarlineEstimate], None]
    ) -> None:
        """Read every song under `paths` and do with it what is to be done.

        What goes wrong with one is told, and the rest goes on; then the command ends with 1.
        """
        failed, songs = False, find_song_files(paths)
        with progress_bar("songs") as advance:
            for done, path in enumerate(songs, start=1):
                try:
                    do(path, read_with_barlines(path, self.options))
                except MusicVAEError as error:
                    failed = True
                    print_error(error)
                advance(done, len(songs))
        if failed:
            raise SystemExit(1)

    def takes(
        self,
        paths: Sequence[Path],
        n: int,
        make: Callable[[MusicVAE, BarlineEstimate, int], Song],
        *,
        command: str,
        **told: Any,
    ) -> None:
        """Make `n` songs of each, by seeds that follow one another, and write them numbered.

        `told` is what the command was asked: a word and its value.
        """
        writer, models = self.writer(), self.models()
        asked = " ".join(
            f"--{word} {value:g}" if isinstance(value, float) else f"--{word} {value}"
            for word, value in told.items()
        )

        def process(path: Path, song: BarlineEstimate) -> None:
            model = models.for_song(song)
            for seed in range(self.seed, self.seed + n):
                note = f"musicvae {command} {path.name} {asked} --seed {seed}"
                writer.write_numbered(
                    make(model, song, seed),
                    path.stem,
                    note=f"{note} checkpoint {model.hash}",
                    **told,
                    seed=seed,
                    source=str(path),
                )

        self.for_each_song(paths, process)


def generate_options(
    out: str | None,
    *,
    help: str = "Folder to write to.",
    seed: bool = False,
    force: bool = False,
    reads: bool = True,
) -> Callable[[Command], Command]:
    """Give a command `--out` (this folder if not said), and how to read, compute and write.

    It is called with `making`, a `Making`. `seed` is for those that draw, `force` for those that
    name files after songs, `reads` for those that read songs.
    """
    default: dict[str, Any] = {"default": Path(out), "show_default": True} if out else {}
    where = click.option("--out", type=click.Path(path_type=Path), help=help, **default)
    options = [where]
    names = ["out", "audio", "score", "stems", "checkpoint", "device", "as_json"]
    for wanted, option, name in (
        (reads, song_read_options, "options"),
        (force, force_option, "force"),
        (True, audio_options, ""),
        (True, score_option, ""),
        (True, stems_option, ""),
        (True, checkpoint_option, ""),
        (seed, seed_option, "seed"),
        (True, device_option, ""),
        (True, json_option, ""),
    ):
        if wanted:
            options.append(option)
            names += [name] if name else []

    def decorate(command: Command) -> Command:
        @wraps(command)
        def called(**arguments: Any) -> Any:
            chosen = {name: arguments.pop(name) for name in names}
            return command(shared=GenerateOptions(**chosen), **arguments)

        wrapped: Any = called
        for option in reversed(options):
            wrapped = option(wrapped)
        return wrapped

    return decorate


def check_plot_path(path: Path, option: str = "--plot", *, force: bool | None = None) -> Path:
    """A picture that an option named, before the work: of a format that is drawn, and writable.

    Raises `WriteError`.
    """
    from musicvae.plots.style import checked_suffix

    checked_suffix(path)
    return check_option_path(path, option, force=force)


def print_plot_path(path: Path, *, as_json: bool) -> None:
    """A line for a picture that was drawn, or JSON."""
    emit(as_json, "plot", path=path)
    if not as_json:
        print_line(str(path))


def theme_options(command: Command) -> Command:
    """`--theme` and `--transparent`: the command gets `look`, a `plots.Theme`."""

    @wraps(command)
    def called(**arguments: Any) -> Any:
        from musicvae.plots.themes import theme

        name, transparent = arguments.pop("theme"), arguments.pop("transparent")
        return command(look=theme(name, transparent=transparent), **arguments)

    wrapped: Any = called
    for option in (
        click.option("--transparent", is_flag=True, help="Leave the paper of pictures out."),
        click.option(
            "--theme",
            type=click.Choice(["light", "dark"]),
            default="light",
            show_default=True,
            help="Pictures on light or on dark paper.",
        ),
    ):
        wrapped = option(wrapped)
    return wrapped


READ_FLAGS = (
    ("--pedal", "pedal", "Let the sustain pedal lengthen notes."),
    ("--repeats", "repeats", "Play the repeats of scores as often as they say."),
    ("--keep-tracks", "keep_tracks", "Do not merge tracks that are one instrument."),
    ("--allow-ungridded", "ungridded", "Keep performances that follow no grid."),
    ("--as-written", "as_written", "Take the bar lines that files state without question."),
)


def read_options(command: Command) -> Command:
    """Give a command the options of reading; it is called with `options`, a `ReadOptions`."""
    return _with_flags(command, READ_FLAGS)


def song_read_options(command: Command) -> Command:
    """Those of `reading_options` that matter to a model, which knows parts itself."""
    return _with_flags(command, [flag for flag in READ_FLAGS if flag[1] != "keep_tracks"])


def _with_flags(command: Command, flags: Sequence[tuple[str, str, str]]) -> Command:
    @wraps(command)
    def called(**arguments: Any) -> Any:
        chosen = {name: arguments.pop(name) for _, name, _ in flags}
        merge = not chosen.pop("keep_tracks", False)
        return command(options=ReadOptions(merge=merge, **chosen), **arguments)

    wrapped: Any = called
    for flag, name, words in reversed(flags):
        wrapped = click.option(flag, name, is_flag=True, help=words)(wrapped)
    return wrapped


Make = Callable[["Embedding", "Progress"], "Page"]


@dataclass(frozen=True, kw_only=True)
class ReportFile:
    """Where a report goes, and by which SoundFont its songs are rendered."""

    path: Path
    soundfont: Path | None = None
    as_json: bool = False

    def write(self, make: Make) -> None:
        """Make the page and write it, with a bar while its songs are rendered; tell of it."""
        from musicvae.io.audio.render import SoundOptions
        from musicvae.report import Embedding

        sound = SoundOptions(soundfont=self.soundfont, rate=24_000)
        announce_synth(sound)
        with progress_bar("sound for the report") as advance:
            page = make(Embedding(sound=sound), advance)
        page.save(self.path)
        emit(self.as_json, "report", path=self.path, songs=page.n_songs)
        if not self.as_json:
            print_line(str(self.path))


def report_option(command: Command) -> Command:
    """`--report PATH.html`: the command gets `report`, a `ReportFile`, or none if none is wanted.

    To be put above the options that say `--json`, `--force` and `--soundfont`.
    """

    @wraps(command)
    def called(**arguments: Any) -> Any:
        path, report = arguments.pop("report"), None
        if path is not None:
            report = ReportFile(
                path=_check_report_path(path, arguments.get("force")),
                soundfont=arguments.get("soundfont"),
                as_json=arguments.get("as_json", False),
            )
        return command(report=report, **arguments)

    wrapped: Any = called
    return click.option(
        "--report",
        type=click.Path(path_type=Path),
        metavar="PATH.html",
        help="Tell of it in a page of one file too, with songs that play.",
    )(wrapped)


def _check_report_path(path: Path, force: bool | None) -> Path:
    """The path, if a page can be written there. Of a command that has no `--force` no page is
    written over.
    """
    from musicvae.report.page import checked

    return check_option_path(checked(path), "--report", force=force)


def audio_options(command: Command) -> Command:
    """`--audio` and how: the command gets `audio`, a `AudioOutput`, or none if none is wanted."""

    @wraps(command)
    def called(**arguments: Any) -> Any:
        kind, font = arguments.pop("audio_format"), arguments.pop("soundfont")
        wanted = arguments.pop("audio") or kind or font
        sound = (
            AudioOutput(suffix=f".{kind or AUDIO_FORMATS[0]}", soundfont=font) if wanted else None
        )
        return command(audio=sound, **arguments)

    wrapped: Any = called
    for option in (
        click.option("--soundfont", type=INPUT_PATH, help="SF2 file to render with."),
        click.option(
            "--audio-format", type=click.Choice(AUDIO_FORMATS), help="Render to this instead."
        ),
        click.option("--audio", is_flag=True, help="Render each song to WAV beside its MIDI."),
    ):
        wrapped = option(wrapped)
    return wrapped
