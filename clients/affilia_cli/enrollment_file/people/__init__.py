"""Who is meant by the loops of a file, and the facts that the file states about them."""
