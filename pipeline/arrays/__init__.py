"""Clips, faces and codes as arrays, for notebooks and scripts: see docs/python.md."""
