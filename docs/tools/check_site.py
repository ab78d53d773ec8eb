"""Check the built site: links, anchors, what pages load, and the names in the API reference.

    python docs/tools/check_site.py build/site

Prints one line for each fault and exits 1 if there is any. Addresses of other sites are not opened.
"""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "source": ("src", "srcset"),
    "audio": ("src",),
    "video": ("src", "poster"),
    "iframe": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "use": ("href", "xlink:href"),
}
"""Attributes from which a browser loads files without a click, by tag."""
LOADED_RELATIONS = {"stylesheet", "icon", "preload", "modulepreload", "manifest", "prefetch"}
_CSS_ADDRESS = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


class _PageParser(HTMLParser):
    """Anchors of a page, targets of its links, and the files that it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.components: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the attributes of a tag."""
        known = {name: value or "" for name, value in attrs}
        self.anchors |= {known[name] for name in ("id", "name") if name in known}
        self.components.add(known.get("data-md-component", ""))
        if tag in ("a", "area") and "href" in known:
            self.links.append(known["href"])
        if tag == "link" and LOADED_RELATIONS & set(known.get("rel", "").split()):
            self.loaded.append(known["href"])
        for name in LOADED.get(tag, ()):
            if name in known:
                values = known[name].split(",") if name == "srcset" else [known[name]]
                self.loaded += [value.split()[0] for value in values if value.strip()]


def faults(site: Path) -> Iterator[str]:
    """Yield the faults of a site, one line each."""
    pages = {path: _parse(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        if path.name == "404.html":  # its links are absolute: it is shown at any address
            continue
        where = path.relative_to(site)
        if "source" in page.components:
            yield f"{where}: asks GitHub for the facts of the repository"
        for address in page.loaded:
            if _is_remote(address):
                yield f"{where}: loads {address}"
            elif not address.startswith("data:") and not _target(path, address).is_file():
                yield f"{where}: loads {address}, which does not exist"
        for address in page.links:
            if _is_remote(address) or urlsplit(address).scheme:
                continue
            target = _target(path, address)
            anchor = unquote(urlsplit(address).fragment)
            if not target.is_file():
                yield f"{where}: links to {address}, which does not exist"
            elif anchor and target in pages and anchor not in pages[target].anchors:
                yield f"{where}: links to {address}; there is no such anchor"
    for path in sorted(site.rglob("*.css")):
        for found in _CSS_ADDRESS.finditer(path.read_text("utf-8")):
            if _is_remote(found[1] or found[2]):
                yield f"{path.relative_to(site)}: loads {found[0]}"
    yield from (f"the API reference lacks {name}" for name in missing_names(site))


def missing_names(site: Path) -> list[str]:
    """Return the public names that the inventory of the API reference lacks."""
    from importlib import import_module

    import musicvae

    content = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    lines = zlib.decompress(content).decode("utf-8").splitlines()
    documented = {line.split(" ", 1)[0] for line in lines}
    model = import_module("musicvae.model").MusicVAE
    public = [
        f"musicvae.model.MusicVAE.{name}"
        for name in dir(model)
        if not name.startswith("_") and not is_deprecated(getattr(model, name))
    ]
    for name in musicvae.__all__:
        if name != "__version__":
            value = getattr(musicvae, name)
            public.append(f"{value.__module__}.{name}")
    return sorted(set(public) - documented)


def is_deprecated(value: object) -> bool:
    """Return whether a method is a former name of another one."""
    return (getattr(value, "__doc__", "") or "").startswith("Deprecated name of")


def _parse(path: Path) -> _PageParser:
    parser = _PageParser()
    parser.feed(path.read_text("utf-8"))
    return parser


def _is_remote(address: str) -> bool:
    return address.startswith("//") or urlsplit(address).scheme in ("http", "https")


def _target(page: Path, address: str) -> Path:
    """Return the file that a relative address on a page leads to."""
    path = unquote(urlsplit(address).path)
    target = (page.parent / path).resolve() if path else page.resolve()
    return target / "index.html" if target.is_dir() else target


def main() -> None:
    """Check the site in the folder that is named on the command line."""
    site = Path(sys.argv[1] if len(sys.argv) > 1 else "build/site").resolve()
    found = sorted(set(faults(site)))
    for line in found:
        print(line)
    n_pages = sum(1 for _ in site.rglob("*.html"))
    print(f"{site.name}: {n_pages} pages, {len(found)} faults")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
