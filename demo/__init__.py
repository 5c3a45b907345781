"""A workspace with a story, to look around in."""
