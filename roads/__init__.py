"""The roads to Postgres: ways to call its SQL functions, and the migrations that make them."""
