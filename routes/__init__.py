"""HTTP words into ours: each module is a menu of paths."""
