"""What the tests share: the product as its users start it, servers beside it, people and data."""
