"""Floor 10: how songs, encodings, evaluations and reports show themselves in a notebook.

Each comes as a page of its own inside a frame, so that nothing of it touches the notebook and no
two of them touch each other; and as a picture, for readers that show no frames.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from musicvae.display import Displayed
from musicvae.errors import MusicVAEError
from musicvae.plots import style
from musicvae.plots.evaluation import evaluation_figure
from musicvae.plots.latents import latents_figure
from musicvae.plots.roll import song_figure
from musicvae.plots.themes import LIGHT, Theme
from musicvae.report.page import Page
from musicvae.report.pages import evaluation_page, preparation_page
from musicvae.report.sounds import Embedding
from musicvae.song import Song

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from musicvae.dataset import PrepareReport
    from musicvae.evaluate.evaluation import Evaluation
    from musicvae.latent import Encoding

_SOUND = Embedding(most_s=90, longest_s=90)
_MOST_NOTES = 2000  # of a song whose roll is kept as a picture too
_SONG_PX, _PAGE_PX = 420, 640
Bundle = dict[str, Any]


def bundle(thing: Displayed) -> Bundle:
    """What a notebook shows of a thing, by kind; its `repr` alone if anything is wrong with it."""
    found: Bundle = {"text/plain": repr(thing)}
    try:
        found |= _KINDS[type(thing).__name__](thing)
    except (MusicVAEError, ImportError, OSError, ValueError) as error:
        found["text/plain"] += f"  (not shown: {error})"
    return found


def framed(page: Page, height: int = _PAGE_PX) -> str:
    """A page as an element for a notebook."""
    text = html.escape(page.html(cell=True))
    return (
        f'<iframe title="{html.escape(page.title)}" width="100%" height="{height}" '
        f'sandbox="allow-scripts allow-downloads" frameborder="0" srcdoc="{text}"></iframe>'
    )


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
