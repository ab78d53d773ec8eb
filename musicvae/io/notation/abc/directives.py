"""Directives that matter for the sound: `%%score`, `%%MIDI`, accidentals, percussion maps."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from musicvae.io.notation.abc.measures import VoiceSettings

_SCORE_TOKEN = re.compile(r"[{}]|[^\s(){}\[\]|*+]+")
_NOTE_NAME = re.compile(r"(?:\^\^?|__?|=)?[A-Ga-g][,']*")
MAX_LISTED = 512


class Directives:
    """What directives say of the whole tune: the order of voices, programs by channel.

    `voice_order` are the names of voices in the order of staves, `braces` the number of the brace
    around a voice, as of the staves of a piano. `voice_programs` are of `%%MIDI voice`.
    """

    def __init__(self, dropped: Counter[str]) -> None:
        self.voice_order: list[str] = []
        self.braces: dict[str, int] = {}
        self.channel_programs: dict[int, int] = {}
        self.voice_programs: dict[str, int] = {}
        self._dropped = dropped

    def read(self, text: str, targets: Sequence[VoiceSettings]) -> None:
        """Read a directive without its percent signs, for the voices it applies to."""
        words = re.sub(r"^\s*MIDI\s*=", "MIDI ", text).split()
        if not words:
            return
        name, values = words[0], words[1:]
        if name in ("score", "staves"):
            self._read_score(text)
        elif name == "MIDI" and values:
            self._read_midi(values[0].lower(), values[1:], targets)
        elif name == "propagate-accidentals" and values:
            for settings in targets:
                if values[0] in ("not", "octave", "pitch"):
                    settings.propagation = values[0]
        elif name == "percmap" and len(values) > 1:
            self._map_drum(values[0], values[1], targets)
        elif name == "abc-include":
            self._dropped["included files not read"] += 1

    def _read_score(self, text: str) -> None:
        """Read the order of voices; further ones add voices."""
        brace = 0
        for match in _SCORE_TOKEN.finditer(text.partition(" ")[2]):
            if match[0] in "{}":
                brace = len(self.braces) + 1 if match[0] == "{" else 0
            elif match[0] not in self.voice_order and len(self.voice_order) < MAX_LISTED:
                self.voice_order.append(match[0])
                if brace:
                    self.braces[match[0]] = brace

    def _read_midi(
        self, name: str, values: Sequence[str], targets: Sequence[VoiceSettings]
    ) -> None:
        """Read a directive of MIDI: program, channel, transpose, drummap, drumon, voice."""
        numbers = [int(v) for v in values if re.fullmatch(r"[-+]?\d{1,4}", v)]
        if name == "drummap" and len(values) > 1:
            self._map_drum(values[0], values[1], targets)
        elif name == "program" and numbers:
            *channel, program = numbers[:2]
            if not 0 <= program <= 127:
                return
            if channel:
                self.channel_programs[channel[0]] = program
                return
            for settings in targets:
                settings.program = program
        elif name == "voice" and values:
            if instrument := re.search(r" instrument=(\d{1,3})\b", " ".join(values)):
                self.voice_programs[values[0]] = min(max(int(instrument[1]) - 1, 0), 127)
        elif name == "drumon":
            self._dropped["drum patterns (%%MIDI drum) not played"] += 1
        elif name == "c" and numbers:
            for settings in targets:
                settings.transpose = max(-127, min(127, numbers[0] - 60))
        elif name == "channel" and numbers:
            for settings in targets:
                settings.channel = numbers[0]
        elif name in ("transpose", "rtranspose") and numbers:
            shift = max(-127, min(127, numbers[0]))
            for settings in targets:
                settings.transpose = shift + settings.transpose * (name == "rtranspose")

    def _map_drum(self, note: str, sound: str, targets: Sequence[VoiceSettings]) -> None:
        """Map a written note to a drum by its MIDI pitch or General MIDI name."""
        pitch = int(sound) if re.fullmatch(r"\d{1,3}", sound) else drum_pitch(sound)
        if pitch is None or pitch > 127 or not _NOTE_NAME.fullmatch(note):
            self._dropped["entries of drum maps not understood"] += 1
            return
        for settings in targets:
            if len(settings.drum_map) < MAX_LISTED:
                settings.drum_map[note] = pitch


def drum_pitch(name: str) -> int | None:
    """Return the MIDI pitch of a drum by its General MIDI name (``pedal-hi-hat``), or None."""
    return _DRUM_PITCHES.get("".join(c for c in name.lower() if c.isalnum()))


_DRUM_NAMES = (
    "acoustic-bass-drum bass-drum-1 side-stick acoustic-snare hand-clap electric-snare "
    "low-floor-tom closed-hi-hat high-floor-tom pedal-hi-hat low-tom open-hi-hat low-mid-tom "
    "hi-mid-tom crash-cymbal-1 high-tom ride-cymbal-1 chinese-cymbal ride-bell tambourine "
    "splash-cymbal cowbell crash-cymbal-2 vibraslap ride-cymbal-2 hi-bongo low-bongo "
    "mute-hi-conga open-hi-conga low-conga high-timbale low-timbale high-agogo low-agogo cabasa "
    "maracas short-whistle long-whistle short-guiro long-guiro claves hi-wood-block "
    "low-wood-block mute-cuica open-cuica mute-triangle open-triangle"
)
_DRUM_PITCHES = {
    "".join(c for c in name if c.isalnum()): 35 + i for i, name in enumerate(_DRUM_NAMES.split())
}
