"""Compiled loops: how the hot loops of other rooms become machine code, and are called.

See README.md in this folder; start reading in `loops`.
"""
