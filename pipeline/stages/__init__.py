"""The steps between two frames: each takes and returns plain data and knows no other."""
