"""Experiments behind the tables of the documentation.

Run them from the root of the repository, as `python -m experiments.anomalies ...`.
"""
