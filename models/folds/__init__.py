"""Folds of age: where a face has or would have folds, by its own faint ones and older faces."""
