"""Floor 10: reports. A page in one file, with pictures, tables and songs that play; the same songs
in a notebook.
"""

from musicvae.report.audio import NO_AUDIO, AudioEmbedding
from musicvae.report.page import Page
from musicvae.report.pages import (
    evaluation_page,
    preparation_page,
    songs_page,
    training_page,
    interpolation_page,
)

__all__ = [
    "NO_AUDIO",
    "AudioEmbedding",
    "Page",
    "evaluation_page",
    "preparation_page",
    "songs_page",
    "training_page",
    "interpolation_page",
]
