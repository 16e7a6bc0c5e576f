"""Estimators measured against the exact accuracy: quality, operations and time.

`conevol.bench.quality` measures, `report` and `pictures` write, `command` is the command line.
"""
