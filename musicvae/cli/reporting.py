"""Floor 11: `--report`: what a command found as a page in one file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from musicvae.cli.common import emit, free_target, progress_bar, say

if TYPE_CHECKING:
    from musicvae.report import Embedding, Page
    from musicvae.report.sounds import Progress

Command = TypeVar("Command", bound=Callable[..., Any])
Make = Callable[["Embedding", "Progress"], "Page"]


@dataclass(frozen=True, kw_only=True)
class ReportFile:
    """Where a report goes, and by which SoundFont its songs are rendered."""

    path: Path
    soundfont: Path | None = None
    as_json: bool = False

    def write(self, make: Make) -> None:
        """Make the page and write it, with a bar while its songs are rendered; tell of it."""
        from musicvae.cli.sound import tell_synth
        from musicvae.formats.audio import SoundOptions
        from musicvae.report import Embedding

        sound = SoundOptions(soundfont=self.soundfont, rate=24_000)
        tell_synth(sound)
        with progress_bar("sound for the report") as advance:
            page = make(Embedding(sound=sound), advance)
        page.save(self.path)
        emit(self.as_json, "report", path=self.path, songs=page.n_songs)
        if not self.as_json:
            say(str(self.path))


def report_option(command: Command) -> Command:
    """`--report PATH.html`: the command gets `report`, a `ReportFile`, or none if none is wanted.

    To be put above the options that say `--json`, `--force` and `--soundfont`.
    """

    @wraps(command)
    def called(**arguments: Any) -> Any:
        path, report = arguments.pop("report"), None
        if path is not None:
            report = ReportFile(
                path=_checked(path, arguments.get("force")),
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


def _checked(path: Path, force: bool | None) -> Path:
    """The path, if a page can be written there. Of a command that has no `--force` no page is
    written over.
    """
    from musicvae.report.page import checked

    return free_target(checked(path), "--report", force=force)
