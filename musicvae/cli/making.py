"""Floor 11: the options of every command that makes songs, and its way through the songs given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from musicvae.cli.common import (
    Finite,
    checkpoint_option,
    complain,
    device_option,
    force_option,
    json_option,
    progress_bar,
    seed_option,
)
from musicvae.cli.reading import song_options
from musicvae.cli.songs import Models, Writer, load_model, read_aligned, songs_under
from musicvae.cli.sound import Sound, audio_option
from musicvae.errors import MusicVAEError
from musicvae.options import ReadOptions

if TYPE_CHECKING:
    from musicvae.alignment import Alignment
    from musicvae.model import MusicVAE
    from musicvae.song import Song

Command = TypeVar("Command", bound=Callable[..., Any])

takes_option = click.option(
    "--n", type=click.IntRange(min=1), default=1, show_default=True, help="How many of each song."
)
temperature_option = click.option(
    "--temperature",
    type=Finite(min=0),
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
class Making:
    """What the shared options say: how songs are read, by what model, where and how they go."""

    out: Path | None = None
    options: ReadOptions = field(default_factory=ReadOptions)
    force: bool = False
    audio: Sound | None = None
    score: bool = False
    stems: bool = False
    checkpoint: str | None = None
    seed: int = 0
    device: str = "auto"
    as_json: bool = False

    def writer(self, folder: Path | None = None) -> Writer:
        """What writes songs into `--out`, or into another folder."""
        return Writer(
            folder or self.out or Path(),
            as_json=self.as_json,
            audio=self.audio,
            score=self.score,
            stems=self.stems,
        )

    def models(self, mends: Sequence[str] = ()) -> Models:
        """For each song the model that suits it."""
        return Models(self.checkpoint, self.device, mends)

    def model(self, **chosen: Any) -> MusicVAE:
        """One model for all; see `load_model`."""
        return load_model(self.checkpoint, self.device, **chosen)

    def each_song(self, paths: Sequence[Path], do: Callable[[Path, Alignment], None]) -> None:
        """Read every song under `paths` and do with it what is to be done.

        What goes wrong with one is told, and the rest goes on; then the command ends with 1.
        """
        failed, songs = False, songs_under(paths)
        with progress_bar("songs") as advance:
            for done, path in enumerate(songs, start=1):
                try:
                    do(path, read_aligned(path, self.options))
                except MusicVAEError as error:
                    failed = True
                    complain(error)
                advance(done, len(songs))
        if failed:
            raise SystemExit(1)

    def takes(
        self,
        paths: Sequence[Path],
        n: int,
        make: Callable[[MusicVAE, Alignment, int], Song],
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

        def do(path: Path, song: Alignment) -> None:
            model = models.suiting(song)
            for seed in range(self.seed, self.seed + n):
                note = f"musicvae {command} {path.name} {asked} --seed {seed}"
                writer.numbered(
                    make(model, song, seed),
                    path.stem,
                    note=f"{note} checkpoint {model.hash}",
                    **told,
                    seed=seed,
                    source=str(path),
                )

        self.each_song(paths, do)


def making_options(
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
        (reads, song_options, "options"),
        (force, force_option, "force"),
        (True, audio_option, ""),
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
            return command(making=Making(**chosen), **arguments)

        wrapped: Any = called
        for option in reversed(options):
            wrapped = option(wrapped)
        return wrapped

    return decorate
