"""The console: web pages for the people who answer members, run premiums and look after the server.

It is a client of the server like any other: every call carries the token of the person who is signed in.
"""
