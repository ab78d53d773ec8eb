"""What a MIDI file has that a song does not hold: counted, and told in warnings."""

from __future__ import annotations

from collections import Counter

from musicvae.io.midi.meta import COPYRIGHT, CUE_POINT, INSTRUMENT_NAME, LYRIC, MARKER, TEXT
from musicvae.io.result import plural

BANK_SELECT, RPN_LOW = 0, 100
SUSTAIN_PEDAL = 64
END_MARKER, OWN_NOTE = b"end", b"musicvae "  # what `to_bytes` writes itself
_CONTROLLERS = {
    1: "modulation",
    2: "breath",
    4: "foot",
    7: "volume",
    10: "pan",
    11: "expression",
    SUSTAIN_PEDAL: "sustain pedal",
    66: "sostenuto pedal",
    67: "soft pedal",
    91: "reverb",
    93: "chorus",
}
# Bank, parameter numbers with their data, and channel modes: state of a channel, no expression.
_STATE_CONTROLLERS = frozenset((BANK_SELECT, 32, 6, 38, *range(96, 102), *range(120, 128)))
_TEXTS = {
    TEXT: "text",
    COPYRIGHT: "text",
    INSTRUMENT_NAME: "text",
    LYRIC: "lyric",
    MARKER: "marker",
    CUE_POINT: "marker",
}
TEXT_TYPES = frozenset(_TEXTS)
_MAX_SHOWN = 5


def is_own_text(meta_type: int, data: bytes) -> bool:
    """Return whether a text is one that `to_bytes` writes anyway."""
    return (meta_type == MARKER and data == END_MARKER) or data.startswith(OWN_NOTE)


class LeftOut:
    """Counts of events that are left out, by what they are."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.pitch_bends = 0
        self.aftertouch = 0
        self.controllers: Counter[int] = Counter()
        self.texts: Counter[str] = Counter()

    def add_text(self, meta_type: int, data: bytes) -> None:
        """Count a text of a meta event of `TEXT_TYPES`, unless `to_bytes` writes it anyway."""
        if data.strip(b"\0 ") and not is_own_text(meta_type, data):
            self.texts[_TEXTS[meta_type]] += 1

    def keep_texts(self, meta_type: int, count: int) -> None:
        """Take back `count` texts of a type that are read after all."""
        if meta_type in _TEXTS:
            self.texts[_TEXTS[meta_type]] -= count

    def warnings(self, *, pedal: bool) -> list[str]:
        """Return a line for each kind; `pedal` tells that the sustain pedal was applied."""
        by_name: Counter[str] = Counter()
        for number, count in self.controllers.items():
            if number not in _STATE_CONTROLLERS and not (pedal and number == SUSTAIN_PEDAL):
                by_name[_CONTROLLERS.get(number, "others")] += count
        lines = []
        if self.pitch_bends:
            lines.append(f"{plural(self.pitch_bends, 'pitch bend')} left out")
        if total := by_name.total():
            ordered = sorted(by_name.items(), key=lambda item: (-item[1], item[0]))
            shown = ", ".join(f"{name} {count:,}" for name, count in ordered[:_MAX_SHOWN])
            more = ", ..." if len(ordered) > _MAX_SHOWN else ""
            lines.append(f"{plural(total, 'controller')} left out ({shown}{more})")
        if self.aftertouch:
            lines.append(f"{plural(self.aftertouch, 'aftertouch message')} left out")
        lines += [f"{plural(n, kind)} left out" for kind, n in sorted(self.texts.items()) if n]
        return lines
