"""The life of a serving process."""
