"""Loaders: files become batches of updates.

readers    bytes of a file -> chunks of columns, with the line of every record
shaping    the `query:` of a source, run by DuckDB over its files
cells      columns as they come -> columns as the engine takes them
loading    a source and its files -> one bulk load, with progress and refused records
"""

from loaders.loading import LoadProgress, LoadSummary, load

__all__ = ["LoadProgress", "LoadSummary", "load"]
