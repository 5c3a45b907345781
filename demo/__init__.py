"""The demo: a server with sample data."""
