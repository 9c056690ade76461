"""Events for tests: drawn with their borders, and the naive readings that they are held against."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from engine.columns.strings import Strings
from engine.events import head
from engine.events.encode import encode_events
from engine.events.events import Codes, Events, Floats, Ints, Property, Texts

__all__ = ["CHUNKS", "COUNTS", "as_tuples", "damaged", "drawn_events", "made_events"]

BLOCK = 65_536
COUNTS = st.one_of(
    st.sampled_from([1, 2, 63, 64, 65, 127, 128, 129, 511, 512, 513, 16_383, 16_384, 16_385]),
    st.integers(1, 200),
    st.integers(1, 40_000),
)
_SPANS = st.sampled_from([0, 1, 255, 256, 2**16, 2**32 - 1, 2**32, 2**48 - 1, 2**48, 2**62])
_STEPS = st.sampled_from([1, 1, 1_000_000, 86_400_000_000])


def made_events(
    count: int,
    chance: np.random.Generator,
    *,
    rows: int = BLOCK,
    span: int = 90 * 86_400_000_000,
    step: int = 1,
    start: int = 1_760_000_000_000_000,
    share: float = 1.0,
) -> Events:
    """Events with a property of every kind, of which `share` have a value each.

    Properties: 1 decimals, 2 categories, 3 floats, 4 bools, 5 texts, 6 times with few values,
    7 a category that is always the same, 8 one that no event has.
    """
    times = start + chance.integers(0, span // step, count, endpoint=True) * step

    def present() -> np.ndarray:
        return chance.random(count) < share

    held = [present() for _ in range(8)]
    amounts = np.rint(np.exp(chance.normal(8, 2, count))).astype(np.int64) - 500
    floats = np.round(chance.normal(size=count), 1)
    words = ["", "白皮书", "a", "wörd"]
    texts = [
        words[i] if p else None for i, p in zip(chance.integers(0, 4, count), held[4], strict=True)
    ]
    properties: dict[int, Property] = {
        1: Ints(amounts * held[0], held[0]),
        2: Codes(chance.integers(1, 300, count, np.uint32) * held[1]),
        3: Floats(floats * held[2], held[2]),
        4: Codes(chance.integers(1, 3, count, np.uint32) * held[3]),
        5: Texts(Strings.from_list(texts)),
        6: Ints(times // 7 * held[5], held[5]),
        7: Codes(np.full(count, 70_000, np.uint32) * held[6]),
        8: Ints(np.zeros(count, np.int64), np.zeros(count, np.bool_)),
    }
    ids = chance.integers(0, 2**64, count, np.uint64) * held[7]
    return Events(
        chance.integers(0, rows, count, np.uint16, endpoint=False)
        if rows < BLOCK
        else chance.integers(0, BLOCK, count).astype(np.uint16),
        times,
        ids if share else None,
        chance.integers(1, 4, count, np.uint32),
        properties,
    )


@st.composite
def drawn_events(draw: st.DrawFn, counts: st.SearchStrategy[int] = COUNTS) -> Events:
    """Events of any number, on few rows or many, over any span, in any order."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    events = made_events(
        draw(counts),
        chance,
        rows=draw(st.sampled_from([1, 2, 100, BLOCK])),
        span=draw(_SPANS),
        step=draw(_STEPS),
        start=draw(st.sampled_from([-(2**62), -1, 0, 1_760_000_000_000_000])),
        share=draw(st.sampled_from([0.0, 0.01, 0.5, 0.97, 1.0])),
    )
    kept = draw(st.one_of(st.just(set(range(1, 9))), st.sets(st.integers(1, 8))))
    properties = {n: values for n, values in events.properties.items() if n in kept}
    return Events(events.rows, events.times, events.ids, events.origins, properties)


def as_tuples(events: Events) -> list[tuple]:
    """Each event as (time, row, id, origin, properties it has), in place; zeros have no sign."""
    count = len(events)
    nothing = [0] * count
    columns = {}
    for number, values in events.properties.items():
        if isinstance(values, Codes):
            columns[number] = [code or None for code in values.codes.tolist()]
        elif isinstance(values, Texts):
            columns[number] = values.strings.to_list()
        else:
            pairs = zip((values.values + 0).tolist(), values.present.tolist(), strict=True)
            columns[number] = [value if held else None for value, held in pairs]
    return [
        (
            *place,
            tuple((n, column[i]) for n, column in sorted(columns.items()) if column[i] is not None),
        )
        for i, place in enumerate(
            zip(
                events.times.tolist(),
                events.rows.tolist(),
                nothing if events.ids is None else events.ids.tolist(),
                nothing if events.origins is None else events.origins.tolist(),
                strict=True,
            )
        )
    ]


def _chunks() -> list[bytes]:
    """Chunks of all kinds of columns, full and with gaps, with planes and without."""
    chance = np.random.default_rng(1)
    return [
        encode_events(made_events(300, chance, share=0.8))[0],
        encode_events(made_events(64, chance, step=1_000_000, rows=3))[0],
        encode_events(made_events(70, chance, span=0, share=0.0), is_tail=True)[0],
        encode_events(made_events(129, chance, span=2**62))[0],
    ]


CHUNKS = _chunks()


def damaged(data: st.DataObject) -> bytes:
    """One of the chunks with some bytes changed, more often in its heads, or cut."""
    part = data.draw(st.sampled_from(CHUNKS))
    changed = bytearray(part)
    heads = st.integers(0, head.HEAD_BYTES + 12 * head.COLUMN_BYTES)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.one_of(heads, st.integers(0, len(part) - 1)))
        small = st.integers(0, 70).map(lambda number: bytes([number]))
        other = st.one_of(st.binary(min_size=1, max_size=8), st.just(b"\xff" * 4), small)
        new = data.draw(other)
        changed[at : at + len(new)] = new
    size = data.draw(st.one_of(st.just(len(changed)), st.integers(0, len(changed))))
    return bytes(changed[:size])
