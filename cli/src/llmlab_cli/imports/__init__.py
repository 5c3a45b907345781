"""Calls out of other programs' files: rows are read, made events of, and sent so that each counts once."""
