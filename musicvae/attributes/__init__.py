"""Musical measures, one number each.

In: the `Bars` of a song, or the `NoteTable` of many windows. Out: statistics of the song by name,
attributes of each window `(W, A)`, the form of a song as a label for each bar.
"""

from musicvae.attributes.song import song_statistics
from musicvae.attributes.window import (
    ATTRIBUTES,
    Attribute,
    unavailable_attributes,
    window_attributes,
)

__all__ = [
    "ATTRIBUTES",
    "Attribute",
    "song_statistics",
    "unavailable_attributes",
    "window_attributes",
]
