"""Lead sheets (OpenEWLD): melody, chord symbols and bars, in quarters.

Reads `<harmony>` of MusicXML, which the package does not keep. Repeats are not expanded.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from experiments.downbeats.known_bars import DATA

MAX_ODD_MEASURES = 0.1  # share of measures whose length is not that of their meter
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
KINDS = {
    "minor": (0, 3, 7), "dominant": (0, 4, 7, 10), "minor-seventh": (0, 3, 7, 10),
    "major-seventh": (0, 4, 7, 11), "major-sixth": (0, 4, 7, 9), "minor-sixth": (0, 3, 7, 9),
    "diminished": (0, 3, 6), "diminished-seventh": (0, 3, 6, 9), "half-diminished": (0, 3, 6, 10),
    "augmented": (0, 4, 8), "augmented-seventh": (0, 4, 8, 10), "suspended-fourth": (0, 5, 7),
    "suspended-second": (0, 2, 7), "major-minor": (0, 3, 7, 11), "minor-ninth": (0, 3, 7, 10),
    "dominant-ninth": (0, 4, 7, 10), "major-ninth": (0, 4, 7, 11), "dominant-13th": (0, 4, 7, 10),
}  # fmt: skip


@dataclass(frozen=True)
class LeadSheet:
    """A melody over chords.

    `melody`: onset and length in quarters, pitch; `chords`: onset, root, intervals above it;
    `bars`: where each bar begins, and at last where the song ends; `meter` of nearly all bars.
    """

    name: str
    melody: list[tuple[float, float, int]]
    chords: list[tuple[float, int, tuple[int, ...]]]
    bars: list[float]
    meter: tuple[int, int]

    @property
    def split(self) -> str:
        """`train`, `valid` or `test`: a tenth for validation, a fifth for the test."""
        return {0: "valid", 1: "test", 2: "test"}.get(zlib.crc32(self.name.encode()) % 10, "train")


def lead_sheets() -> Iterator[LeadSheet]:
    """Yield the lead sheets with chords, of one meter, and with regular bars."""
    for path in sorted((DATA / "leadsheets").rglob("*.mxl")):
        sheet = read_lead_sheet(path)
        if sheet is not None:
            yield sheet


def read_lead_sheet(path: Path) -> LeadSheet | None:
    """Return the lead sheet of a compressed MusicXML file, None if its bars are irregular."""
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".xml") and "META-INF" not in n)
        part = ElementTree.fromstring(archive.read(name)).find("part")
    if part is None:
        return None
    melody: list[list[float]] = []
    chords: list[tuple[float, int, tuple[int, ...]]] = []
    starts, lengths, meters = [], [], []
    divisions, meter, now = 1.0, (4, 4), 0.0
    for measure in part.findall("measure"):
        at = stop = now
        for element in measure:
            duration = float(element.findtext("duration") or 0) / divisions
            if element.tag == "attributes":
                divisions = float(element.findtext("divisions") or divisions)
                meter = _meter(element) or meter
            elif element.tag == "harmony":
                chords += [(at + float(element.findtext("offset") or 0) / divisions, *chord)
                           for chord in [_chord(element)] if chord]  # fmt: skip
            elif element.tag == "backup":
                at -= duration
            elif element.tag == "forward":
                at += duration
            elif element.tag == "note" and element.find("grace") is None:
                if element.find("chord") is not None:
                    continue
                if element.find("pitch") is not None:
                    _add_note(melody, element, at, duration)
                at += duration
            stop = max(stop, at)
        if stop > now:
            starts.append(now)
            lengths.append(stop - now)
            meters.append(meter)
        now = stop
    if len(melody) < 24 or len(chords) < 6 or len(set(meters)) != 1:
        return None
    full = 4 * meter[0] / meter[1]
    odd = [i for i in range(1, len(lengths) - 1) if abs(lengths[i] - full) > 1e-3]
    if len(odd) > MAX_ODD_MEASURES * len(lengths):
        return None
    # A bar split by a repeat is one bar; a first, shorter measure is a pickup.
    bars = [s for i, s in enumerate(starts) if not (i and i in odd and i - 1 in odd)]
    bars = bars[1:] if lengths[0] < full - 1e-3 else bars
    notes = sorted({round(a, 4): (a, n, int(p)) for a, n, p in melody}.values())
    return LeadSheet(path.stem, notes, sorted(chords), [*bars, now], meter)


def _meter(attributes: ElementTree.Element) -> tuple[int, int] | None:
    time = attributes.find("time")
    if time is None or not (time.findtext("beats") or "").isdigit():
        return None
    return int(time.findtext("beats") or 4), int(time.findtext("beat-type") or 4)


def _chord(harmony: ElementTree.Element) -> tuple[int, tuple[int, ...]] | None:
    root, kind = harmony.find("root"), (harmony.findtext("kind") or "major").strip()
    if root is None or kind == "none":
        return None
    alter = int(float(root.findtext("root-alter") or 0))
    step = STEPS[(root.findtext("root-step") or "C").strip()]
    return (step + alter) % 12, KINDS.get(kind, (0, 4, 7))


def _add_note(melody: list[list[float]], note: ElementTree.Element, at: float, n: float) -> None:
    pitch = note.find("pitch")
    if pitch is None:
        return
    alter, octave = (float(pitch.findtext(tag) or 0) for tag in ("alter", "octave"))
    number = STEPS[(pitch.findtext("step") or "C").strip()] + alter + 12 * (octave + 1)
    tied = any(tie.get("type") == "stop" for tie in note.findall("tie"))
    if tied and melody and melody[-1][2] == number:
        melody[-1][1] = at + n - melody[-1][0]
    else:
        melody.append([at, n, number])
