"""Programs that measure what docs/scale.md tells; the test suite runs none of them as a whole."""
