"""Presets and training options: frozen dataclasses, validated and loaded strictly from TOML.

In: a preset's name or TOML file, and `section.key=value` settings. Out: a `Preset`, from which a
model can be rebuilt. Unknown keys are errors; keys and values renamed in later versions are read
under their old names.
"""
