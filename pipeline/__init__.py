"""visagist: frames in, edited frames out."""
