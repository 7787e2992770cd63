"""The book: what the server knows about the contracts and people of a file, as plain values, and sets of days."""
