"""Self-contained HTML reports with pictures, tables and songs that play; notebook display.

In: songs, metrics rows, evaluations and prepare reports. Out: a `Page`, written to one HTML file
or shown in a notebook.
"""

from musicvae.report.audio import NO_AUDIO, AudioEmbedding
from musicvae.report.page import Page
from musicvae.report.pages import (
    evaluation_page,
    interpolation_page,
    preparation_page,
    songs_page,
    training_page,
)

__all__ = [
    "NO_AUDIO",
    "AudioEmbedding",
    "Page",
    "evaluation_page",
    "interpolation_page",
    "preparation_page",
    "songs_page",
    "training_page",
]
