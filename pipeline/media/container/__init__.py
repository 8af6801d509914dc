"""Videos in and out: the only files of the program that import PyAV (FFmpeg)."""
