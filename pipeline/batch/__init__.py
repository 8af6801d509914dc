"""Many shots from one file: units of work that are kept, made by processes, and joined.

`manifest.py` reads what is asked for, `units.py` and `shots.py` say which units that is, `store.py`
keeps them, `schedule.py` says what is made next, `workers.py` by whom, `making.py` makes it, and
`reel.py` does all of it for one manifest.
"""
