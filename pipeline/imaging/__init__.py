"""Pure functions on pictures, points and masks; nothing here knows of files or networks."""
