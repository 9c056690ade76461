"""Record batches of Arrow as chunks: records without lines, numbered from 1."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa

from conversion.texts import all_shown, shown
from loaders.chunks import Chunk

__all__ = ["table_chunk"]

# Records of a chunk that are shown one by one; where there are more, all are turned to texts at
# once, which costs as much as some hundred of them.
_SHOWN_ALONE = 100


def table_chunk(batch: pa.RecordBatch, done: int) -> Chunk:
    """The records of a batch, before which `done` others stand."""
    places = np.arange(done + 1, done + 1 + batch.num_rows, dtype=np.int64)
    columns = {name: batch.column(i) for i, name in enumerate(batch.schema.names)}

    texts: dict[str, list[str | None]] = {}
    asked = 0

    def text_of(index: int) -> str:
        nonlocal asked
        asked += 1
        if asked > _SHOWN_ALONE and not texts:
            texts.update((name, all_shown(column)) for name, column in columns.items())
        if texts:
            cells = {name: column[index] for name, column in texts.items()}
        else:
            cells = {name: shown(column, index) for name, column in columns.items()}
        return json.dumps(cells, ensure_ascii=False)

    return Chunk(batch.num_rows, columns, places, text_of)
