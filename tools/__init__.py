"""Tools of the build: run by the Makefile, never by the product."""
