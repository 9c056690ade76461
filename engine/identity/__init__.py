"""Identifiers to profiles."""
