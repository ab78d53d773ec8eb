"""Encoders, decoders, objectives, priors and corruptions of other packages, by name.

A preset names them as it names those of this package. `musicvae.register` adds one; whatever the
entry points of the group `musicvae.plugins` name is imported (and called, if it is a function) the
first time that a preset names something unknown, so that all commands know installed plug-ins.
`MUSICVAE_PLUGINS` names further modules, separated by commas.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from inspect import isroutine
from typing import Any, TypeVar

from musicvae.config.loading import require
from musicvae.errors import ConfigError

PLUGIN_KINDS = ("encoder", "decoder", "objective", "prior", "corruption")
GROUP, VARIABLE = "musicvae.plugins", "MUSICVAE_PLUGINS"
_T = TypeVar("_T")
_registered: dict[tuple[str, str], Any] = {}


def register(kind: str, name: str) -> Callable[[_T], _T]:
    """Return a decorator that makes a class or function known under a name of presets.

    Args:
        kind: `encoder`, `decoder`, `objective`, `prior` or `corruption`; what each must offer is in
            the guide "Extending".
        name: the name by which presets choose it, with lower-case letters, digits, `-` and `_`.

    Raises `ConfigError` for another kind or name, or if another plug-in has that name.
    """
    if kind not in PLUGIN_KINDS:
        raise ConfigError(f"plug-in kind {kind!r}: not one of {', '.join(PLUGIN_KINDS)}")
    if not name or set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-_"):
        raise ConfigError(f"plug-in name {name!r}: use lower-case letters, digits, - and _")

    def add(plugin: _T) -> _T:
        known = _registered.get((kind, name))
        if known is not None and _source(known) != _source(plugin):
            raise ConfigError(f"{kind} {name!r} is registered already; choose another name")
        _registered[kind, name] = plugin
        return plugin

    return add


def plugin(kind: str, name: str) -> Any:
    """Return a plug-in by kind and name. Raises `ConfigError` if there is none."""
    if (kind, name) not in _registered:
        load_installed()
    if (kind, name) not in _registered:
        raise ConfigError(f"{kind} {name!r}: no such plug-in; install the package that has it")
    return _registered[kind, name]


def plugin_name(kind: str, plugin: object) -> str | None:
    """Return the name under which a class or function is registered, None if it is not."""
    pairs = _registered.items()
    return next((n for (k, n), each in pairs if k == kind and each is plugin), None)


def is_known(kind: str, name: str, own: Collection[str]) -> bool:
    """Return whether a name is one of the package's `own` or that of a plug-in."""
    if name in own or (kind, name) in _registered:
        return True
    load_installed()
    return (kind, name) in _registered


def known_names(kind: str, own: Collection[str]) -> str:
    """Return for messages the names there are, the package's `own` and those of plug-ins."""
    load_installed()
    names = [*own, *sorted(name for each, name in _registered if each == kind)]
    return "one of " + ", ".join(names) + ", or that of a plug-in which is installed"


def require_known(kind: str, key: str, name: str, own: Collection[str]) -> None:
    """Raise `ConfigError` unless a preset's `key` names one of `own` or a plug-in."""
    if not is_known(kind, name, own):
        require(False, key, known_names(kind, own))


@cache
def load_installed() -> None:
    """Import all installed plug-ins, once. Raises `ConfigError` for one that fails."""
    sources: list[tuple[str, Callable[[], Any]]] = [
        (each.name, each.load) for each in sorted(entry_points(group=GROUP))
    ]
    modules = [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]
    sources += [(name, lambda name=name: import_module(name)) for name in modules]  # type: ignore[misc]
    for name, load in sources:
        try:
            found = load()
            if isroutine(found) and not any(found is each for each in _registered.values()):
                found()
        except Exception as error:  # whatever code of others raises
            reason = f"{type(error).__name__}: {error}"
            raise ConfigError(f"plug-in {name}: cannot be loaded ({reason})") from error


def _source(plugin: object) -> tuple[str, str]:
    """Return what identifies a plug-in when its module is imported again."""
    name = getattr(plugin, "__qualname__", repr(plugin))
    return getattr(plugin, "__module__", ""), name
