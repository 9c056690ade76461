"""What a block has of a field, as plain dictionaries, and back to stored parts.

The key is a row, or a tuple that begins with one where a row has several. An event is such a
tuple (row, time, id, then the number and value of each property), and counts how often it is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.bitmaps import Buffer
from engine.bitmaps.containers import BLOCK_ROWS
from engine.columns.bools import encode_bools
from engine.columns.codes import encode_codes
from engine.columns.floats import encode_floats
from engine.columns.givers import decode_givers, encode_givers
from engine.columns.ints import encode_ints
from engine.columns.sets import decode_rows, decode_set_pairs, encode_rows, encode_set_pairs
from engine.columns.strings import Strings
from engine.columns.texts import decode_texts
from engine.columns.uids import decode_uids
from engine.columns.values import decode_values, encode_values
from engine.columns.zone import Encoded
from engine.events import field
from engine.events.decode import decode_events
from engine.events.encode import encode_events
from engine.events.events import Codes, Events, Ints, Property, Texts
from engine.live.block_cells import whole_block
from engine.live.identity_fields import add_uids
from engine.live.text_field import lay_texts
from engine.store.catalog import FieldKind
from tests.made_events import as_tuples

__all__ = ["CODED", "counted_events", "decoded", "encoded", "events_of", "of_block", "row_of"]

# The properties of events that are codes; others are ints, or texts where they are strings.
CODED = {4}

_COLUMNS: dict[FieldKind, tuple[type[Any], Callable[..., Encoded]]] = {
    FieldKind.CODES: (np.uint32, lambda codes, _: encode_codes(codes)),
    FieldKind.INTS: (np.int64, encode_ints),
    FieldKind.FLOATS: (np.float64, encode_floats),
    FieldKind.BOOL: (np.bool_, encode_bools),
}


def row_of(key: Any) -> int:
    """The row that a key begins with."""
    return int(key[0]) if isinstance(key, tuple) else int(key)


def of_block(content: dict[Any, Any], block: int) -> dict[Any, Any]:
    """What one block has of a field."""
    return {key: value for key, value in content.items() if row_of(key) // BLOCK_ROWS == block}


def decoded(kind: FieldKind, parts: Sequence[Buffer], block: int = 0) -> dict[Any, Any]:
    """What the parts of a block say."""
    first = block * BLOCK_ROWS
    if not parts:
        return {}
    match kind:
        case FieldKind.LIVE | FieldKind.MEMBERSHIP:
            return dict.fromkeys((decode_rows(parts) + np.int64(first)).tolist(), True)
        case FieldKind.UIDS:
            uids = decode_uids(parts)
            rows = np.flatnonzero(uids.any(axis=1)).tolist()
            return {first + row: uids[row].tobytes() for row in rows}
        case FieldKind.TEXTS:
            texts = enumerate(decode_texts(parts).to_list(), first)
            return {row: text for row, text in texts if text is not None}
        case FieldKind.VALUES:
            owners, strings = decode_values(parts)
            columns = [owners.tolist(), strings.to_list()]
        case FieldKind.EVENTS:
            return counted_events(decode_events(parts), block)
        case FieldKind.SET:
            columns = [column.tolist() for column in decode_set_pairs(parts)]
        case FieldKind.GIVERS:
            columns = [column.tolist() for column in decode_givers(parts)]
        case _:
            values, present = whole_block(kind, parts)
            at = np.flatnonzero(present)
            return dict(zip((at + first).tolist(), values[at].tolist(), strict=True))
    return {(first + row, *rest): True for row, *rest in zip(*columns, strict=True)}


def counted_events(events: Events, block: int = 0) -> dict[Any, Any]:
    """Events of a block, as above."""
    first = block * BLOCK_ROWS
    return dict(
        Counter(
            (first + row, time, id_, *values) for time, row, id_, _, values in as_tuples(events)
        )
    )


def events_of(content: dict[Any, Any]) -> Events:
    """The same events in memory; see CODED."""
    keys = [key for key, count in sorted(content.items(), key=repr) for _ in range(count)]
    numbers = {number: value for key in keys for number, value in key[3:]}
    properties: dict[int, Property] = {}
    for number, like in numbers.items():
        column = [dict(key[3:]).get(number) for key in keys]
        if isinstance(like, str):
            properties[number] = Texts(Strings.from_list(column))
        elif number in CODED:
            properties[number] = Codes(np.array([code or 0 for code in column], np.uint32))
        else:
            held = np.array([value is not None for value in column], np.bool_)
            values = np.array([value or 0 for value in column], np.int64)
            properties[number] = Ints(values, held)
    rows = np.array([key[0] % BLOCK_ROWS for key in keys], np.uint16)
    times = np.array([key[1] for key in keys], np.int64)
    return Events(rows, times, np.array([key[2] for key in keys], np.uint64), None, properties)


def encoded(kind: FieldKind, content: dict[Any, Any]) -> Encoded:
    """How the codec stores what one block has."""
    keys = sorted(content)
    rows = np.array([row_of(key) % BLOCK_ROWS for key in keys], np.uint16)
    values = [content[key] for key in keys]
    match kind:
        case FieldKind.LIVE | FieldKind.MEMBERSHIP:
            return encode_rows(rows)
        case FieldKind.UIDS:
            uids = np.frombuffer(b"".join(values), np.uint8).reshape(-1, 16)
            return add_uids((), rows, uids)
        case FieldKind.TEXTS:
            return lay_texts((), rows, Strings.from_list(values))
        case FieldKind.VALUES:
            return encode_values(rows, Strings.from_list([value for _, value in keys]))
        case FieldKind.EVENTS:
            return field.encoded(encode_events(events_of(content)))
        case FieldKind.SET:
            return encode_set_pairs(rows, np.array([code for _, code in keys], np.uint32))
        case FieldKind.GIVERS:
            triples = np.array(keys, np.int64).reshape(-1, 3).astype(np.uint32)
            return encode_givers(rows, triples[:, 1].copy(), triples[:, 2].copy())
    dtype, encode = _COLUMNS[kind]
    count = int(rows[-1]) + 1 if keys else 0
    cells, present = np.zeros(count, dtype), np.zeros(count, np.bool_)
    cells[rows], present[rows] = values, True
    return encode(cells, present)
