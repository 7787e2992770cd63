"""Publishing: the checks that a contract must pass before it is published."""
