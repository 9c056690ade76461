"""Batches in Arrow for the tests."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

__all__ = ["arrow_bytes", "stream_bytes"]


def stream_bytes(*batches: pa.RecordBatch, compression: str | None = None) -> bytes:
    """An IPC stream of record batches of one schema."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, batches[0].schema, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


def arrow_bytes(columns: dict[str, Any], **options: Any) -> bytes:
    """An IPC stream of one record batch; values may be arrays or lists."""
    arrays = [c if isinstance(c, pa.Array) else pa.array(c) for c in columns.values()]
    return stream_bytes(pa.record_batch(arrays, names=list(columns)), **options)
