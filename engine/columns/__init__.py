"""Typed columns, sets and strings of one block, and their stored bytes."""
