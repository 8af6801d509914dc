"""A head in three dimensions: what the 68 points of a face say of its shape and pose."""
