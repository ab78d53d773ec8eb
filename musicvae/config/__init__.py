"""Presets and training options, loaded strictly from TOML."""
