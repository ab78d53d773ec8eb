"""Floor 3: Song -> MusicXML, as a score that can be read: the inverse of `score`.

Notes stand on the grid of bars, 24 cells a quarter. A part whose notes overlap gets voices, a
keyboard two staves, drums unpitched notes; bars that are shorter than their meter (pickups, what
precedes a repeat) are written without a change of meter, as `score` reads them.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from musicvae.arrays import Ints
from musicvae.errors import printable
from musicvae.io.musicxml_writer.layout import ScoreLayout
from musicvae.io.musicxml_writer.note_values import CELLS_PER_QUARTER
from musicvae.io.musicxml_writer.part import PartWriter
from musicvae.io.musicxml_writer.staves import drum_notation
from musicvae.io.musicxml_writer.unquantized import quantize_free_timing
from musicvae.representation.bars import Bars
from musicvae.song import Part, Song
from musicvae.storage import write_bytes

_DOCTYPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">\n'
)
_CONTAINER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<container><rootfiles>'
    '<rootfile full-path="score.musicxml"/></rootfiles></container>\n'
)


def write_score(song: Song, path: str | Path, *, note: str = "") -> tuple[Path, int]:
    """Write `song` as a score: `.mxl` compressed, else plain. Raises `WriteError`.

    Returns the path, and how many notes are on paper: of those of a part and pitch that fall onto
    one place only one is.
    """
    content, n_notes = _build_document(song, title=Path(path).stem, note=note)
    if Path(path).suffix.lower() == ".mxl":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in (
                ("META-INF/container.xml", _CONTAINER.encode()),
                ("score.musicxml", content),
            ):
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)
        content = buffer.getvalue()
    return write_bytes(path, content), n_notes


def to_bytes(song: Song, *, title: str = "", note: str = "") -> bytes:
    """The bytes of a MusicXML 4.0 document; `note` says how the song was made."""
    return _build_document(song, title=title, note=note)[0]


def _build_document(song: Song, *, title: str, note: str) -> tuple[bytes, int]:
    """The document, and how many notes are in it."""
    bars = _writable_bars(song)
    root = Element("score-partwise", version="4.0")
    if title:
        SubElement(SubElement(root, "work"), "work-title").text = _xml_text(title)
    about = SubElement(root, "identification")
    SubElement(SubElement(about, "encoding"), "software").text = "musicvae"
    if note:
        field = SubElement(SubElement(about, "miscellaneous"), "miscellaneous-field", name="made")
        field.text = _xml_text(note)
    listing = SubElement(root, "part-list")
    grid = ScoreLayout(bars)
    for nth, part in enumerate(song.parts):
        _add_part_entry(listing, f"P{nth + 1}", part, bars.notes.pitch[bars.notes.part == nth])
    for nth, part in enumerate(song.parts):
        root.append(PartWriter(grid, part, nth).to_element())
    if not song.parts:
        _add_part_entry(listing, "P1", Part.empty("Silence"), np.zeros(0, np.int64))
        root.append(PartWriter(grid, Part.empty(), 0).to_element())
    ElementTree.indent(root)
    text = _DOCTYPE + ElementTree.tostring(root, encoding="unicode") + "\n"
    return text.encode("utf-8"), len(bars.notes)


def _writable_bars(song: Song) -> Bars:
    """Bars whose notes can be written; see `loose`."""
    bars = Bars.from_song(song, CELLS_PER_QUARTER)
    return quantize_free_timing(song, bars) if bars.n_moved else bars


def _xml_text(words: str) -> str:
    """Words without what XML cannot hold."""
    return "".join(c for c in printable(words) if c >= " " and c not in "\ufffe\uffff")


def _add_part_entry(part_list: Element, part_id: str, part: Part, pitches: Ints) -> None:
    """A part's entry: its name, its instruments, and how they sound."""
    entry = SubElement(part_list, "score-part", id=part_id)
    SubElement(entry, "part-name").text = _xml_text(part.name) or f"Part {part_id[1:]}"
    kit = sorted(set(pitches.tolist())) if part.is_drum else [None]
    for pitch in kit:
        ident = part_id + ("-I1" if pitch is None else f"-I{pitch}")
        instrument = SubElement(entry, "score-instrument", id=ident)
        said = _xml_text(part.name) or "Instrument"
        SubElement(instrument, "instrument-name").text = (
            said if pitch is None else drum_notation(pitch).name
        )
    for pitch in kit:
        sound = SubElement(entry, "midi-instrument", id=part_id + f"-I{pitch or 1}")
        channels = [c for c in range(1, 17) if c != 10]
        channel = 10 if part.is_drum else channels[(int(part_id[1:]) - 1) % len(channels)]
        SubElement(sound, "midi-channel").text = str(channel)
        SubElement(sound, "midi-program").text = str(part.program + 1)
        if pitch is not None:
            SubElement(sound, "midi-unpitched").text = str(pitch + 1)
