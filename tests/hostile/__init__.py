"""Servers that get one thing wrong each: what the server says, the call, what comes of it.

A row of a table is a play. Each is played twice: the client's socket gives all that is
there, and one octet at a time.
"""
