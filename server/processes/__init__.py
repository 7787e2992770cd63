"""Several server processes on the same addresses, and their parent."""
