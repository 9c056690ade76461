"""Loaders: files become batches of updates.

*_reader   bytes of a file -> chunks of columns, with the line of every record; the
           query_reader runs the `query:` of a source over its files by DuckDB
cells      the columns of a source -> a batch of updates, by the conversions in conversion/
ahead      reading and converting on another thread
refused    the file of records that could not be taken, and why
pieces     a source and its files -> converted chunks, each record with its place
loading    those -> one bulk load, with progress and a summary
sent_batch a batch of updates -> the bytes that a server takes
sending    pieces -> batches for a server, numbered, so that a load that broke off goes on
standing   where a load that is being sent stands, kept in a file until it is done
"""

from loaders.loading import load
from loaders.summary import LoadProgress, LoadSummary

__all__ = ["LoadProgress", "LoadSummary", "load"]
