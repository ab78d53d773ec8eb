"""Strict construction of frozen dataclasses from plain data.

Every error is a `ConfigError` that names the key and, if there is one, the closest known key.
`upgrade_preset` translates the names of earlier versions, which presets, checkpoints and scripts
may still contain.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args, get_type_hints

from musicvae.errors import ConfigError, nearest

MAX_NUMBER = 1e12
"""Magnitude of a number in a preset."""
_MAX_SHOWN = 80  # characters of a value in a message
RENAMED_KEYS = {
    "model.direct_weight": "model.context_free_weight",
    "model.ends": "model.encode_offsets",
    "training.average": "training.ema_decay",
    "training.hearing_dropout": "training.decoder_input_dropout",
    "training.kit_mixing": "training.drum_mix_share",
    "training.rehearsal": "training.replay_share",
}
"""Preset keys of earlier versions and their present names."""
RENAMED_CORRUPTIONS = {
    "wrong": "pitch_substitution",
    "dropped": "deletion",
    "added": "insertion",
    "jitter": "onset_jitter",
    "cut": "truncation",
    "masked": "bar_mask",
    "hidden": "part_mask",
    "flat": "humanize",
    "tapped": "tapify",
}
"""Corruption kinds of earlier versions and their present names."""


def current_corruption(kind: str) -> str:
    """Return the present name of a corruption kind."""
    return RENAMED_CORRUPTIONS.get(kind, kind)


def upgrade_preset(data: Any, source: str) -> Any:
    """Return a preset's plain data with keys and corruption kinds under their present names.

    The order of sections, keys and kinds is kept. Raises `ConfigError` if a key is given under
    both names.
    """
    if not isinstance(data, Mapping):
        return data
    upgraded = dict(data)
    for section, table in data.items():
        if isinstance(table, Mapping):
            upgraded[section] = _upgrade_section(table, source, str(section))
    return upgraded


def _upgrade_section(table: Mapping[str, Any], source: str, section: str) -> dict[str, Any]:
    upgraded: dict[str, Any] = {}
    for key, value in table.items():
        path = RENAMED_KEYS.get(f"{section}.{key}", f"{section}.{key}")
        name = path.removeprefix(f"{section}.")
        if name != key and name in table:
            raise ConfigError(f"{source}: {section}.{key} is now {path}; give one of them")
        if path == "training.corruption" and isinstance(value, str):
            value = "+".join(current_corruption(kind) for kind in value.split("+"))
        upgraded[name] = value
    return upgraded


def build_dataclass(cls: type, data: Any, source: str, path: str) -> Any:
    """Return an instance of a dataclass from plain data.

    Args:
        cls: the dataclass; nested dataclasses and tuples of them are built too.
        data: a table of its fields; fields with defaults may be missing.
        source: file name or option that messages begin with.
        path: dotted path of the data in `source`, empty at the top.

    Raises:
        ConfigError: for unknown or missing keys and for values of the wrong type or range.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{source}: {path or 'preset'} must be a table; write [{path}]")
    hints, known = get_type_hints(cls), [f.name for f in fields(cls)]
    for key in data:
        if key not in known:
            raise ConfigError(f"{source}: unknown key {_join(path, key)!r}{nearest(key, known)}")
    values = {
        key: _convert(hints[key], value, source, _join(path, key)) for key, value in data.items()
    }
    try:
        return cls(**values)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None
    except TypeError:
        missing = [f for f in ("name", "parts") if f in known and f not in data]
        raise ConfigError(f"{source}: {path or 'preset'} needs {' and '.join(missing)}") from None


def _convert(kind: Any, value: Any, source: str, path: str) -> Any:
    """Return a value as the type of its field. Raises `ConfigError`."""
    if hasattr(kind, "__dataclass_fields__"):
        return build_dataclass(kind, value, source, path)
    if getattr(kind, "__origin__", None) is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{source}: {path} must be a list")
        return tuple(_convert(get_args(kind)[0], item, source, path) for item in value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and not abs(value) <= MAX_NUMBER:  # nor NaN
        raise ConfigError(f"{source}: {path} must be a number of at most {MAX_NUMBER:g}")
    if kind is float and is_number:
        return float(value)
    if not isinstance(value, kind) or (kind is int and not is_number):
        given = value if is_number else type(value).__name__
        given = repr(value)[:_MAX_SHOWN] if isinstance(value, str) else given
        raise ConfigError(f"{source}: {path} must be {kind.__name__}, not {given}")
    return value


def apply_setting(data: dict[str, Any], setting: str) -> None:
    """Apply `section.key=value` to a preset's complete plain data, in place.

    Raises `ConfigError` for settings that are malformed or name an unknown key.
    """
    given, equals, text = setting.partition("=")
    if not equals:
        raise ConfigError(f"--set {setting}: write it as section.key=value")
    try:
        value = tomllib.loads(f"v = {text}")["v"]
    except (ValueError, RecursionError):  # no TOML, a number of thousands of digits, deep lists
        value = text
    path = given.strip()
    *sections, last = RENAMED_KEYS.get(path, path).split(".")
    target: Any = data
    for section in sections:
        if not isinstance(target, dict) or not isinstance(target.get(section), dict):
            raise ConfigError(f"--set {setting}: no section {section!r}{nearest(section, data)}")
        target = target[section]
    if last not in target:
        raise ConfigError(f"--set {setting}: unknown key {given!r}{nearest(last, target)}")
    target[last] = value


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def require_sizes(section: Any, prefix: str, limits: Mapping[str, int]) -> None:
    """Raise `ConfigError` unless the fields named in `limits` are at least 1 and at most these."""
    for name, limit in limits.items():
        require(1 <= getattr(section, name) <= limit, f"{prefix}.{name}", f"1 to {limit:,}")


def require(condition: bool, name: str, wanted: str) -> None:
    """Raise `ConfigError` that `name` must be `wanted` unless the condition holds."""
    if not condition:
        raise ConfigError(f"{name} must be {wanted}")
