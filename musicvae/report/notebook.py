"""Display of songs, encodings, evaluations and prepare reports in notebooks.

Each is a page inside a sandboxed frame, isolated from the notebook and from other pages, with a
static picture for viewers without frames.
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
_MAX_NOTES = 2000  # larger songs have no static picture
_SONG_HEIGHT_PX = 420
MimeBundle = dict[str, Any]


def mime_bundle(value: object) -> MimeBundle:
    """Return the MIME bundle of a song, encoding, evaluation or prepare report.

    If rendering fails, the bundle holds the `repr` alone, with the reason.
    """
    bundle: MimeBundle = {"text/plain": repr(value)}
    try:
        bundle |= _RENDERERS[type(value).__name__](value)
    except (MusicVAEError, ImportError, OSError, ValueError) as error:
        bundle["text/plain"] += f"  (not shown: {error})"
    return bundle


def _song_bundle(song: Song) -> MimeBundle:
    """Show a player, and the piano roll of short songs as a picture."""
    page = Page("Song", embedding=_AUDIO)
    page.body.clear()
    page.songs([song], ["Song"])
    bundle: MimeBundle = {"text/html": to_iframe(page, _SONG_HEIGHT_PX)}
    if song.n_notes <= _MAX_NOTES:
        bundle["image/svg+xml"] = _to_svg(lambda theme: song_figure(song, "Song", theme=theme))
    return bundle


def _encoding_bundle(encoding: Encoding) -> MimeBundle:
    """Show the KL of each window and the latents."""

    def draw(theme: Theme) -> Figure:
        return latents_figure(encoding, "A song in latent space", theme=theme)

    page = Page("Encoding")
    page.body.clear()
    page.picture(draw, "KL of each window, and its latents")
    return {"text/html": to_iframe(page), "image/svg+xml": _to_svg(draw)}


def _evaluation_bundle(evaluation: Evaluation) -> MimeBundle:
    """Show the metrics of an evaluation."""
    title = f"{evaluation.preset}, {evaluation.split} songs"
    page = to_iframe(evaluation_page(evaluation))
    if evaluation.comparison is None:
        return {"text/html": page}
    figures, distributions = evaluation.to_dict(), evaluation.comparison.distributions
    picture = _to_svg(lambda theme: evaluation_figure(figures, distributions, title, theme=theme))
    return {"text/html": page, "image/svg+xml": picture}


def _preparation_bundle(report: PrepareReport) -> MimeBundle:
    """Show the tables of a prepare report."""
    return {"text/html": to_iframe(preparation_page(report))}


def _to_svg(draw: Callable[[Theme], Figure]) -> str:
    """Return a figure in the light theme as SVG."""
    with style.style_context():
        return style.to_svg(draw(LIGHT))


_RENDERERS: dict[str, Callable[[Any], MimeBundle]] = {
    "Song": _song_bundle,
    "Encoding": _encoding_bundle,
    "Evaluation": _evaluation_bundle,
    "PrepareReport": _preparation_bundle,
}
