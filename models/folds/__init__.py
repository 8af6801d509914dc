"""Folds of age: where a face has, or would have, folds, from its own faint ones and older faces'."""
