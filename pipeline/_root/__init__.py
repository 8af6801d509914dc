"""visagist: edit the face of a real person in a real video."""
