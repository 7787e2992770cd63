"""The pages of the console, one file per area. Each function shows one page or processes one form."""
