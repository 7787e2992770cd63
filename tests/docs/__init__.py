"""What is written for people: links lead somewhere, code is code, commands work."""
