"""Damaged inputs by the thousand: each one through the whole program, in a process of its own.

`python -m tests.fuzz --minutes 30` runs long, the suite runs briefly (`tests/test_fuzz.py`). A new
kind of input is one file with a `Family` and one line in `families.py`. What was found is kept in
`corpus.txt` by its numbers, and run again every time.
"""
