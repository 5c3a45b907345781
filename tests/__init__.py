"""The tests, on a real Postgres."""
