"""Believable years of made-up customers, for the example models."""
