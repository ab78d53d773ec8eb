"""Floor 11: sound beside the songs that commands write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from musicvae.cli.common import INPUT, console
from musicvae.errors import one_line

if TYPE_CHECKING:
    from musicvae.formats.audio import SoundOptions
    from musicvae.song import Song

Command = TypeVar("Command", bound=Callable[..., Any])
KINDS = ("wav", "flac", "ogg")


@dataclass(frozen=True, kw_only=True)
class Sound:
    """Sound beside MIDI: of which kind, and by which SoundFont."""

    suffix: str = ".wav"
    soundfont: Path | None = None

    def write(self, song: Song, path: Path, *, stems: bool = False) -> list[Path]:
        """Render a song beside its MIDI file, each part alone too if asked; say once by what.

        Returns the paths of all files, the whole song's first.
        """
        from musicvae.formats.audio import SoundOptions, write_audio, write_stems

        options, target = SoundOptions(soundfont=self.soundfont), path.with_suffix(self.suffix)
        tell_synth(options)
        if stems:
            return [target, *write_stems(song, target, options)]
        return [write_audio(song, target, options)]


def audio_option(command: Command) -> Command:
    """`--audio` and how: the command gets `audio`, a `Sound`, or none if none is wanted."""

    @wraps(command)
    def called(**arguments: Any) -> Any:
        kind, font = arguments.pop("audio_format"), arguments.pop("soundfont")
        wanted = arguments.pop("audio") or kind or font
        sound = Sound(suffix=f".{kind or KINDS[0]}", soundfont=font) if wanted else None
        return command(audio=sound, **arguments)

    wrapped: Any = called
    for option in (
        click.option("--soundfont", type=INPUT, help="SF2 file to render with."),
        click.option("--audio-format", type=click.Choice(KINDS), help="Render to this instead."),
        click.option("--audio", is_flag=True, help="Render each song to WAV beside its MIDI."),
    ):
        wrapped = option(wrapped)
    return wrapped


def tell_synth(options: SoundOptions) -> None:
    """Say on stderr, once, what sound is made by."""
    from musicvae.formats.synthesis import default_soundfont, pick_synth

    font = Path(options.soundfont or default_soundfont()).name
    say_once(f"sound by {pick_synth(options.synth)} with {font}, at {options.lufs:g} LUFS")


@cache
def say_once(words: str) -> None:
    """A line on stderr, the first time that it is to be said."""
    console().print(one_line(words))
