"""MusicXML document of a song, the inverse of `io.notation.reader`.

Notes are on the grid of bars, 24 cells per quarter. Overlapping notes get voices, keyboards two
staves, drums unpitched notes. Bars shorter than their meter, such as pickups and bars before a
repeat, are written without a meter change, as the reader expects.
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
    """Write a song as MusicXML, compressed if the suffix is `.mxl`. Raises `WriteError`.

    Returns the path and the number of notes written; notes of a part and pitch that fall on the
    same grid cell are written once.
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
    """Return a MusicXML 4.0 document; `note` is a remark on how the song was made."""
    return _build_document(song, title=title, note=note)[0]


def _build_document(song: Song, *, title: str, note: str) -> tuple[bytes, int]:
    """Return the document and the number of notes in it."""
    bars = _writable_bars(song)
    root = Element("score-partwise", version="4.0")
    if title:
        SubElement(SubElement(root, "work"), "work-title").text = _xml_text(title)
    identification = SubElement(root, "identification")
    SubElement(SubElement(identification, "encoding"), "software").text = "musicvae"
    if note:
        field = SubElement(
            SubElement(identification, "miscellaneous"), "miscellaneous-field", name="made"
        )
        field.text = _xml_text(note)
    part_list = SubElement(root, "part-list")
    layout = ScoreLayout(bars)
    for index, part in enumerate(song.parts):
        pitches = bars.notes.pitch[bars.notes.part == index]
        _add_part_entry(part_list, f"P{index + 1}", part, pitches)
    for index, part in enumerate(song.parts):
        root.append(PartWriter(layout, part, index).to_element())
    if not song.parts:
        _add_part_entry(part_list, "P1", Part.empty("Silence"), np.zeros(0, np.int64))
        root.append(PartWriter(layout, Part.empty(), 0).to_element())
    ElementTree.indent(root)
    text = _DOCTYPE + ElementTree.tostring(root, encoding="unicode") + "\n"
    return text.encode("utf-8"), len(bars.notes)


def _writable_bars(song: Song) -> Bars:
    """Return the bars of a song, with free timing quantized to values that can be written."""
    bars = Bars.from_song(song, CELLS_PER_QUARTER)
    return quantize_free_timing(song, bars) if bars.n_moved else bars


def _xml_text(text: str) -> str:
    """Return text without characters that XML does not allow."""
    return "".join(c for c in printable(text) if c >= " " and c not in "\ufffe\uffff")


def _add_part_entry(part_list: Element, part_id: str, part: Part, pitches: Ints) -> None:
    """Add the part-list entry of a part: name, instruments and MIDI instruments."""
    entry = SubElement(part_list, "score-part", id=part_id)
    SubElement(entry, "part-name").text = _xml_text(part.name) or f"Part {part_id[1:]}"
    drum_pitches: list[int | None] = sorted(set(pitches.tolist())) if part.is_drum else [None]
    for pitch in drum_pitches:
        instrument_id = part_id + ("-I1" if pitch is None else f"-I{pitch}")
        instrument = SubElement(entry, "score-instrument", id=instrument_id)
        name = _xml_text(part.name) or "Instrument"
        if pitch is not None:
            name = drum_notation(pitch).name
        SubElement(instrument, "instrument-name").text = name
    for pitch in drum_pitches:
        sound = SubElement(entry, "midi-instrument", id=part_id + f"-I{pitch or 1}")
        channels = [c for c in range(1, 17) if c != 10]
        channel = 10 if part.is_drum else channels[(int(part_id[1:]) - 1) % len(channels)]
        SubElement(sound, "midi-channel").text = str(channel)
        SubElement(sound, "midi-program").text = str(part.program + 1)
        if pitch is not None:
            SubElement(sound, "midi-unpitched").text = str(pitch + 1)
