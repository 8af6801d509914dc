"""Packs: what belongs together in one, how it lies on disk, the user's store, and opening one."""
