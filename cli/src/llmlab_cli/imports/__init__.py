"""Importing calls from files of other programs: reads rows, converts them to events, and sends each event once."""
