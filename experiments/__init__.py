"""Experiments behind the tables of the documentation; run them as modules from the repository root."""
