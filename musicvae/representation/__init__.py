"""Conversions between a `Song` and the arrays that networks take.

In: a `Song` in ticks. Out, step by step: bars on a grid, parts in a preset's slots, windows of
notes, tables of them or piano rolls. Each step has its exact inverse on the grid beside it, so
that decoded notes become a song again.
"""
