"""The three passes over a clip: analyze, prepare, render."""
