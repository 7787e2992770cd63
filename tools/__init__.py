"""Tools that the Makefile runs. The product doesn't use them."""
