"""Points, similarity transforms and the one coordinate convention of the program.

Convention: points are (x, y); x to the right, y down; pixel centres lie at integers, so the top-left pixel
covers [-0.5, 0.5]²; the origin is the centre of the top-left pixel. Matrices act on column vectors
(x, y, 1)ᵀ. A matrix named `a_to_b` takes coordinates in a to coordinates in b.
"""
