"""Processes that answer questions: one for our engine, one for each rival."""
