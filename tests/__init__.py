"""The tests: claims in small stories, on real Postgres."""
