"""Floor 1: what shows itself in a notebook. How, the room of reports knows; it is asked then."""

from __future__ import annotations

from typing import Any


class Displayed:
    """A thing with a picture, a player or a table in Jupyter, and its `repr` elsewhere."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from musicvae.report.notebook import bundle

        return bundle(self)

    def _repr_html_(self) -> str | None:
        return self._repr_mimebundle_().get("text/html")
