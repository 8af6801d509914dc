"""What became of a clip, to be looked at: figures, pictures of some frames, findings, and a page.

`looking.py` compares a target with its clip, frame by frame; `figures.py` keeps the numbers,
`strips.py` what was edited when, `findings.py` says what there is to say, and `page.py` shows it.
"""
