"""A face and a wanted attribute in, the same face with that one attribute changed out."""
