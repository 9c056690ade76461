"""Writing: loads, uploaded lists, and what is read back of a profile."""
