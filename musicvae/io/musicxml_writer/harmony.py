"""Chord symbols as `harmony` elements."""

from __future__ import annotations

from fractions import Fraction
from xml.etree.ElementTree import Element, SubElement

from musicvae.chords import NO_CHORD, QUALITIES, Chord
from musicvae.chords.kinds import chord_of_kind, kind_of_quality
from musicvae.chords.spelling import format_name, pitch_class

_OFFSET_DIGITS = 6


def harmony_element(chord: Chord, offset: Fraction) -> Element:
    """Return the element of a chord, `offset` divisions after the place it is written at.

    The text is that of the kind alone, since engravers show degrees after it.
    """
    harmony = Element("harmony")
    kind, degrees = kind_of_quality(chord.quality)
    _add_pitch(harmony, "root", chord.root)
    if chord == NO_CHORD:
        harmony[0][0].set("text", "")  # a root is required, and not shown
    parsed = chord_of_kind(0, kind)
    text = QUALITIES[parsed[0].quality if parsed else chord.quality].symbol
    SubElement(harmony, "kind", text=text).text = kind
    if pitch_class(chord.bass) != pitch_class(chord.root):
        _add_pitch(harmony, "bass", chord.bass)
    for degree in degrees:
        element = SubElement(harmony, "degree")
        SubElement(element, "degree-value").text = str(degree.number)
        SubElement(element, "degree-alter").text = str(degree.alter)
        SubElement(element, "degree-type").text = degree.change
    if offset:
        decimal = f"{float(offset):.{_OFFSET_DIGITS}f}".rstrip("0").rstrip(".")
        SubElement(harmony, "offset").text = decimal
    return harmony


def _add_pitch(harmony: Element, name: str, fifths: int) -> None:
    """Add the `root` or `bass` of a chord."""
    element, spelled = SubElement(harmony, name), format_name(fifths)
    SubElement(element, f"{name}-step").text = spelled[0]
    if alter := spelled.count("#") - spelled.count("b"):
        SubElement(element, f"{name}-alter").text = str(alter)
