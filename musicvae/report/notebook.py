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
from musicvae.report.audio import Embedding
from musicvae.report.page import Page, framed
from musicvae.report.pages import evaluation_page, preparation_page
from musicvae.song import Song

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from musicvae.data import PrepareReport
    from musicvae.evaluation.evaluate import Evaluation
    from musicvae.latent import Encoding

_SOUND = Embedding(most_s=90, longest_s=90)
_MOST_NOTES = 2000  # of a song whose roll is kept as a picture too
_SONG_PX = 420
Bundle = dict[str, Any]


def bundle(thing: object) -> Bundle:
    """What a notebook shows of a thing, by kind; its `repr` alone if anything is wrong with it."""
    found: Bundle = {"text/plain": repr(thing)}
    try:
        found |= _KINDS[type(thing).__name__](thing)
    except (MusicVAEError, ImportError, OSError, ValueError) as error:
        found["text/plain"] += f"  (not shown: {error})"
    return found


def _song(song: Song) -> Bundle:
    page = Page("Song", embedding=_SOUND)
    page.body.clear()
    page.songs([song], ["Song"])
    found: Bundle = {"text/html": framed(page, _SONG_PX)}
    if song.n_notes <= _MOST_NOTES:
        found["image/svg+xml"] = _svg(lambda look: song_figure(song, "Song", look=look))
    return found


def _encoding(encoding: Encoding) -> Bundle:
    def drawn(look: Theme) -> Figure:
        return latents_figure(encoding, "A song in the latent space", look=look)

    page = Page("Encoding")
    page.body.clear()
    page.picture(drawn, "Bits of each window, and its latents")
    return {"text/html": framed(page), "image/svg+xml": _svg(drawn)}


def _evaluation(found: Evaluation) -> Bundle:
    title = f"{found.preset}, {found.split} songs"
    figures, spread = found.to_dict(), found.comparison.distributions
    picture = _svg(lambda look: evaluation_figure(figures, spread, title, look=look))
    return {"text/html": framed(evaluation_page(found)), "image/svg+xml": picture}


def _preparation(report: PrepareReport) -> Bundle:
    return {"text/html": framed(preparation_page(report))}


def _svg(figure: Callable[[Theme], Figure]) -> str:
    with style.drawing():
        return style.as_svg(figure(LIGHT))


_KINDS: dict[str, Callable[[Any], Bundle]] = {
    "Song": _song,
    "Encoding": _encoding,
    "Evaluation": _evaluation,
    "PrepareReport": _preparation,
}
