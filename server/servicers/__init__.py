"""Servicers: unpack a request, call one operation, pack the answer."""
