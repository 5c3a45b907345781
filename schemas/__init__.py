"""What callers send, what they are answered, and what the floors pass to each other: one file for each noun."""
