"""Attribute curves: what else changes as an attribute is changed, for several methods."""
