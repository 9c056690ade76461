"""Bytes that somebody calls Arrow: only refusals, in plain words, whatever they are."""

from __future__ import annotations

import datetime
import os
import random
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from engine.errors import InputInvalid
from engine.limits import BATCH_ROWS
from engine.live.validate import refusals
from server import update_arrow
from server.update_batches import receive
from strata.v1 import ingest_pb2 as pb
from tests.wire.arrow_batches import arrow_bytes, stream_bytes
from tests.wire.fake_ingest import ingest_model

MODEL = ingest_model()
ORIGIN = pb.Origin(source="crm")
SEED = 20261122
MUTANTS = 100_000 if os.environ.get("STRATA_SOAK") else 3_000
# Names of classes, of modules and of files have no place in an answer.
INSIDE = re.compile(r"[A-Z][a-z]+[A-Z]\w+|Error|pyarrow|::|/\w+/|\.(?:cc|py|h)\b|0x[0-9a-f]+")


def take(raw: bytes) -> Any:
    """Everything that happens to a batch before the engine has it, and the engine's own door."""
    received = receive(MODEL, ORIGIN, pb.UpdateBatch(arrow=raw))
    for strings in received.batch.identifiers.values():
        strings.to_list()
    refusals(received.batch, MODEL)
    return received


def columns(count: int = 20) -> dict[str, Any]:
    """A batch of every type that is taken."""
    noon = datetime.datetime(2026, 11, 1, 12, tzinfo=datetime.UTC)
    some = [i % 3 > 0 for i in range(count)]
    pick = lambda make: [make(i) if there else None for i, there in enumerate(some)]  # noqa: E731
    return {
        "id:member": [f"m{i}" for i in range(count)],
        "id:phone": pa.array(pick(lambda i: f"139{i}"), pa.large_string()),
        "city": pa.array(pick(lambda i: ["Oslo", "北京"][i % 2])).dictionary_encode(),
        "age": pa.array(pick(lambda i: i), pa.int16()),
        "spend": pa.array(pick(Decimal), pa.decimal128(12, 2)),
        "weight": pick(float),
        "vip": pick(lambda i: i % 2 == 0),
        "born": pick(lambda i: datetime.date(2000, 1, 1 + i)),
        "joined": pa.array(pick(lambda i: noon), pa.timestamp("ns", "Asia/Shanghai")),
        "remark": pick(lambda i: "x" * i),
        "interests": pick(lambda i: ["a"] * (i % 4)),
        "+tag": pick(lambda i: ["b", None, ""]),
        "unset:remark": [i % 3 == 0 for i in range(count)],
        "time": pa.array([noon] * count, pa.timestamp("s")),
        "giver": pick(lambda i: "g"),
    }


def endless() -> bytes:
    """A column of nothing whose header says that it is a million million rows long."""
    length = (123_456).to_bytes(8, "little")
    raw = arrow_bytes({"id:member": pa.nulls(123_456)})
    assert raw.count(length) == 3
    return raw.replace(length, (1 << 40).to_bytes(8, "little"))


def schema_alone() -> bytes:
    sink = pa.BufferOutputStream()
    pa.ipc.new_stream(sink, pa.schema([("id:member", pa.string())])).close()
    return bytes(sink.getvalue().to_pybytes())


def refusal(raw: bytes) -> str:
    with pytest.raises(InputInvalid) as caught:
        take(raw)
    assert not INSIDE.search(caught.value.message), caught.value.message
    return caught.value.message


def test_the_sound_one_is_taken() -> None:
    received = take(arrow_bytes(columns()))
    assert received.faults == {} and received.batch.count == 20


def test_mutated_bytes() -> None:
    rng = random.Random(SEED)
    sound = [arrow_bytes(columns()), arrow_bytes(columns(1)), arrow_bytes({"id:member": ["a"] * 9})]
    taken = 0
    for number in range(MUTANTS):
        raw = bytearray(rng.choice(sound))
        for _ in range(rng.choice([1, 1, 2, 4, 16])):
            match rng.randrange(5):
                case 0:
                    raw[rng.randrange(len(raw))] = rng.randrange(256)
                case 1:
                    raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
                case 2:
                    del raw[rng.randrange(len(raw)) :]
                    raw = raw or bytearray(b"\0")
                case 3:
                    at = rng.randrange(0, len(raw) - 3, 4) if len(raw) > 4 else 0
                    odd = rng.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
                    raw[at : at + 4] = odd.to_bytes(4, "little")
                case 4:
                    at = rng.randrange(len(raw))
                    raw[at:at] = rng.randbytes(rng.choice([1, 8]))
        try:
            take(bytes(raw))
            taken += 1
        except InputInvalid as error:
            assert not INSIDE.search(error.message), (number, SEED, error.message)
    # Where a value alone was changed, the bytes are still a batch.
    assert 0 < taken < MUTANTS


@pytest.mark.parametrize("length", [0, 1, 4, 7, 8, 100, 5000])
def test_random_bytes(length: int) -> None:
    assert "no sound Arrow" in refusal(random.Random(SEED).randbytes(length))


WRONG: dict[str, tuple[Callable[[], bytes], str]] = {
    "compressed": (lambda: arrow_bytes(columns(), compression="zstd"), "is compressed"),
    "a compressed dictionary": (
        lambda: arrow_bytes(
            {"id:member": pa.array(["a" * 99] * 9).dictionary_encode()}, compression="lz4"
        ),
        "is compressed",
    ),
    "two batches": (
        lambda: stream_bytes(*[pa.record_batch({"id:member": ["a"]})] * 2),
        "holds 2 record batches",
    ),
    "only a schema": (schema_alone, "holds 0 record batches"),
    "too many rows": (
        lambda: arrow_bytes({"id:member": pa.array(["a"] * (BATCH_ROWS + 1))}),
        "has 262,145 rows",
    ),
    "too many rows of nothing": (endless, "has 1,099,511,627,776 rows"),
    "a dictionary that stands for gigabytes": (
        lambda: arrow_bytes(
            {
                "id:member": pa.DictionaryArray.from_arrays(
                    pa.array([0] * 100_000, pa.int8()), pa.array(["x" * 60_000])
                )
            }
        ),
        "stands for more than 64 MiB",
    ),
    "a view": (lambda: arrow_bytes({"id:member": pa.array(["a"], pa.string_view())}), "not taken"),
    "runs": (
        lambda: arrow_bytes({"id:member": pa.RunEndEncodedArray.from_arrays([1], ["a"])}),
        "not taken",
    ),
    "a structure": (lambda: arrow_bytes({"id:member": ["a"], "age": [{"a": 1}]}), "not taken"),
    "lists of lists": (lambda: arrow_bytes({"id:member": ["a"], "tag": [[["a"]]]}), "not taken"),
    "bytes": (lambda: arrow_bytes({"id:member": [b"\xff"]}), "not taken"),
    "a duration": (
        lambda: arrow_bytes({"id:member": ["a"], "age": pa.array([1], pa.duration("s"))}),
        "not taken",
    ),
    "an extension": (
        lambda: arrow_bytes({"id:member": pa.array([b"0" * 16], pa.uuid())}),
        "not taken",
    ),
    "a column twice": (
        lambda: stream_bytes(pa.record_batch([pa.array(["a"])] * 2, names=["id:member"] * 2)),
        "has column id:member twice",
    ),
    "an attribute in two ways": (
        lambda: arrow_bytes({"id:member": ["a"], "age": [1], "attribute:age": [1]}),
        "brings attribute age twice",
    ),
    "an unknown column": (
        lambda: arrow_bytes({"id:member": ["a"], "agee": [1]}),
        "the model has no attribute agee (did you mean age?)",
    ),
    "an unknown kind": (
        lambda: arrow_bytes({"id:fone": ["a"]}),
        "the model has no kind of identifier fone (did you mean phone?)",
    ),
    "no identifiers": (lambda: arrow_bytes({"age": [1]}), "has no identifiers"),
    "a computed attribute": (
        lambda: arrow_bytes({"id:member": ["a"], "twice": [1]}),
        "is computed from others",
    ),
    "a list for one value": (
        lambda: arrow_bytes({"id:member": ["a"], "city": [["Oslo"]]}),
        "column city, of the type list<item: string>, does not fit",
    ),
    "an addition to no set": (
        lambda: arrow_bytes({"id:member": ["a"], "+age": [["1"]]}),
        "attribute age is no set",
    ),
    "no column at all": (lambda: stream_bytes(pa.record_batch([], names=[])), "has no identifiers"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_not_taken(what: str) -> None:
    make, told = WRONG[what]
    assert told in refusal(make())


def test_text_that_is_no_utf8_is_found() -> None:
    raw = arrow_bytes({"id:member": ["abcd", "efgh"]})
    message = refusal(raw.replace(b"efgh", b"e\xff\xffh"))
    assert "column id:member is damaged" in message


def test_offsets_beyond_the_data_are_found() -> None:
    raw = arrow_bytes({"id:member": ["abcd", "efgh"]})
    offsets = b"\x04\0\0\0\x08\0\0\0"
    assert raw.count(offsets) == 1
    assert "is damaged" in refusal(raw.replace(offsets, b"\x04\0\0\0\xff\xff\xff\x7f"))


def test_types_of_the_wrong_kind_are_the_fault_of_their_rows() -> None:
    received = take(arrow_bytes({"id:member": ["a", "b"], "age": [True, None]}))
    assert list(received.faults) == [0] and "age: " in received.faults[0]


def test_what_is_read_before_the_columns_is_small() -> None:
    """Rows are counted in the header, before anything is laid out for them."""
    with pytest.raises(InputInvalid, match="rows"):
        update_arrow._check_headers(endless())
