"""Loaders: files become batches of updates.

*_reader   bytes of a file -> chunks of columns, with the line of every record; the
           query_reader runs the `query:` of a source over its files by DuckDB
cells      the columns of a source -> a batch of updates, by the conversions in conversion/
ahead      reading and converting on another thread
refused    the file of records that could not be taken, and why
loading    a source and its files -> one bulk load, with progress and a summary
"""

from loaders.loading import LoadProgress, LoadSummary, load

__all__ = ["LoadProgress", "LoadSummary", "load"]
