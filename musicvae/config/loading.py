"""Floor 1: frozen dataclasses from plain data, without tolerance for what they do not know.

Every error is a `ConfigError` that names the key and, if one is near, the key that was meant.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args, get_type_hints

from musicvae.errors import ConfigError, nearest


def build(cls: type, data: Any, source: str, at: str) -> Any:
    """A dataclass of this class from plain data; `at` is where in `source` the data stands."""
    if not isinstance(data, Mapping):
        raise ConfigError(f"{source}: {at or 'preset'} must be a table; write [{at}]")
    hints, known = get_type_hints(cls), [f.name for f in fields(cls)]
    for key in data:
        if key not in known:
            raise ConfigError(f"{source}: unknown key {_dotted(at, key)!r}{nearest(key, known)}")
    values = {key: _value(hints[key], item, source, _dotted(at, key)) for key, item in data.items()}
    try:
        return cls(**values)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None
    except TypeError:
        missing = [f for f in ("name", "parts") if f in known and f not in data]
        raise ConfigError(f"{source}: {at or 'preset'} needs {' and '.join(missing)}") from None


def _value(kind: Any, item: Any, source: str, at: str) -> Any:
    if hasattr(kind, "__dataclass_fields__"):
        return build(kind, item, source, at)
    if getattr(kind, "__origin__", None) is tuple:
        if not isinstance(item, (list, tuple)):
            raise ConfigError(f"{source}: {at} must be a list")
        return tuple(_value(get_args(kind)[0], each, source, at) for each in item)
    if kind is float and isinstance(item, int) and not isinstance(item, bool):
        return float(item)
    if not isinstance(item, kind) or (kind is int and isinstance(item, bool)):
        raise ConfigError(f"{source}: {at} must be {kind.__name__}, not {item!r}")
    return item


def assign(data: dict[str, Any], setting: str) -> None:
    """Carry out `section.key=value` on plain data; the key must be there already."""
    path, equals, text = setting.partition("=")
    if not equals:
        raise ConfigError(f"--set {setting}: write it as section.key=value")
    try:
        value = tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, last = path.strip().split(".")
    target: Any = data
    for section in sections:
        if not isinstance(target, dict) or not isinstance(target.get(section), dict):
            raise ConfigError(f"--set {setting}: no section {section!r}{nearest(section, data)}")
        target = target[section]
    if last not in target:
        raise ConfigError(f"--set {setting}: unknown key {path!r}{nearest(last, target)}")
    target[last] = value


def _dotted(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def need(condition: bool, name: str, wanted: str) -> None:
    """Raise `ConfigError` that `name` must be `wanted`, unless it is."""
    if not condition:
        raise ConfigError(f"{name} must be {wanted}")
