"""Experiments on chords."""
