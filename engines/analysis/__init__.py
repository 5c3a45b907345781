"""The arithmetic behind the engines: pure functions, without a database, an engine or a clock."""
