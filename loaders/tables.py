"""Record batches of Arrow as chunks: records without lines, numbered from 1."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa

from conversion.texts import shown
from loaders.chunks import Chunk

__all__ = ["table_chunk"]


def table_chunk(batch: pa.RecordBatch, done: int) -> Chunk:
    """The records of a batch, before which `done` others stand."""
    places = np.arange(done + 1, done + 1 + batch.num_rows, dtype=np.int64)
    columns = {name: batch.column(i) for i, name in enumerate(batch.schema.names)}

    def text_of(index: int) -> str:
        cells = {name: shown(column, index) for name, column in columns.items()}
        return json.dumps(cells, ensure_ascii=False)

    return Chunk(batch.num_rows, columns, places, text_of)
