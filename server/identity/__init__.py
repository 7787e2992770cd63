"""Authentication and authorization: tokens, certificates, and the access policy of every method."""
