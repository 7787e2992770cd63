"""The registry of legacy sources. A source reads and writes one country's legacy tables, in the same database."""
