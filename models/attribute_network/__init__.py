"""A face and a wanted attribute in, the same face with that attribute out; and the turntable of
heads that it is proved on."""
