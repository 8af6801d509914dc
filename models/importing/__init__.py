"""Bringing weights of others: recognise a file, check it, store it, put packs together."""
