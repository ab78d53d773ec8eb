"""Fuzzing of every kind of file that musicvae reads: mutations, and commands in processes apart.

`kinds.KINDS` names the kinds of input; `isolation.run` runs one command with limits of time and
memory. `benchmarks/fuzz.py` runs thousands of mutations, `tests/io/test_fuzz.py` a few.
"""
