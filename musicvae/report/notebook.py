"""Floor 10: how songs, encodings, evaluations and reports show themselves in a notebook.

Each comes as a page of its own inside a frame, so that nothing of it touches the notebook and no
two of them touch each other; and as a picture, for readers that show no frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from musicvae.errors import MusicVAEError
from musicvae.plots import style
from musicvae.plots.evaluation import evaluation_figure
from musicvae.plots.latents import latents_figure
from musicvae.plots.pianoroll import song_figure
from musicvae.plots.themes import LIGHT, Theme
from musicvae.report.audio import AudioEmbedding
from musicvae.report.page import Page, to_iframe
from musicvae.report.pages import evaluation_page, preparation_page
from musicvae.song import Song

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from musicvae.data import PrepareReport
    from musicvae.evaluation.evaluate import Evaluation
    from musicvae.latent import Encoding

_AUDIO = AudioEmbedding(max_total_s=90, max_song_s=90)
_MAX_NOTES = 2000  # of a song whose roll is kept as a picture too
_SONG_HEIGHT_PX = 420
MimeBundle = dict[str, Any]


def mime_bundle(value: object) -> MimeBundle:
    """What a notebook shows of a thing, by kind; its `repr` alone if anything is wrong with it."""
    found: MimeBundle = {"text/plain": repr(value)}
    try:
        found |= _RENDERERS[type(value).__name__](value)
    except (MusicVAEError, ImportError, OSError, ValueError) as error:
        found["text/plain"] += f"  (not shown: {error})"
    return found


def _song_bundle(song: Song) -> MimeBundle:
    page = Page("Song", embedding=_AUDIO)
    page.body.clear()
    page.songs([song], ["Song"])
    found: MimeBundle = {"text/html": to_iframe(page, _SONG_HEIGHT_PX)}
    if song.n_notes <= _MAX_NOTES:
        found["image/svg+xml"] = _to_svg(lambda look: song_figure(song, "Song", theme=look))
    return found


def _encoding_bundle(encoding: Encoding) -> MimeBundle:
    def drawn(look: Theme) -> Figure:
        return latents_figure(encoding, "A song in the latent space", theme=look)

    page = Page("Encoding")
    page.body.clear()
    page.picture(drawn, "Bits of each window, and its latents")
    return {"text/html": to_iframe(page), "image/svg+xml": _to_svg(drawn)}


def _evaluation_bundle(evaluation: Evaluation) -> MimeBundle:
    title = f"{evaluation.preset}, {evaluation.split} songs"
    figures, spread = evaluation.to_dict(), evaluation.comparison.distributions
    picture = _to_svg(lambda look: evaluation_figure(figures, spread, title, theme=look))
    return {"text/html": to_iframe(evaluation_page(evaluation)), "image/svg+xml": picture}


def _preparation_bundle(report: PrepareReport) -> MimeBundle:
    return {"text/html": to_iframe(preparation_page(report))}


def _to_svg(figure: Callable[[Theme], Figure]) -> str:
    with style.style_context():
        return style.to_svg(figure(LIGHT))


_RENDERERS: dict[str, Callable[[Any], MimeBundle]] = {
    "Song": _song_bundle,
    "Encoding": _encoding_bundle,
    "Evaluation": _evaluation_bundle,
    "PrepareReport": _preparation_bundle,
}
