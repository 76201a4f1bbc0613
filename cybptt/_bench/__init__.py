"""Racing cybptt against its peers: what `cybptt bench` and the scripts of benchmarks/ share.

A library's work on a cell is a function without arguments, made by one of ``libraries.py`` for a
size of ``cells.py``. It is called in a process of its own (``worker.py``); ``race.py`` lets the
processes take turns, and ``tables.py`` prints what came of it.
"""
