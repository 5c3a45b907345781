"""What builds the generated files of the repository."""
