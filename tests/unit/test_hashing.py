"""XXH64 and SipHash-2-4-128 against their published values, one by one and in batches."""

from __future__ import annotations

import numpy as np
import pytest

from engine.columns.hashing import siphash128, siphash128_many, xxh64, xxh64_many16
from engine.columns.strings import Strings

# From the test programs and the documentation of the reference implementation.
XXH64 = {
    (b"", 0): 0xEF46DB3751D8E999,
    (b"a", 0): 0xD24EC4F1A98C6E5B,
    (b"abc", 0): 0x44BC2CF5AD770999,
    (b"xxhash", 0): 3665147885093898016,
    (b"xxhash", 20141025): 13067679811253438005,
    (b"Nobody inspects the spammish repetition", 0): 0xFBCEA83C8A378BF1,
}

# vectors_sip128 of the reference implementation: message 00 01 02 ..., key 00 .. 0f.
SIPHASH = {
    0: "a3817f04ba25a8e66df67214c7550293",
    1: "da87c1d86b99af44347659119b22fc45",
    7: "a1f1ebbed8dbc153c0b84aa61ff08239",
    8: "3b62a9ba6258f5610f83e264f31497b4",
    9: "264499060ad9baabc47f8b02bb6d71ed",
    15: "5493e99933b0a8117e08ec0f97cfc3d9",
    16: "6ee2a4ca67b054bbfd3315bf85230577",
    31: "2939b0183223fafc1723de4f52c43d35",
    32: "7c3956ca5eeafc3e363e9d556546eb68",
    63: "5150d1772f50834a503e069a973fbd7c",
}
KEY = bytes(range(16))


def by_definition(data: bytes, seed: int) -> int:
    """XXH64 as its specification describes it, step by step."""
    p1, p2, p3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
    p4, p5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
    mask = 2**64 - 1

    def rotate(word: int, bits: int) -> int:
        return (word << bits | (word & mask) >> 64 - bits) & mask

    def round_of(lane: int, at: int) -> int:
        word = int.from_bytes(data[at : at + 8], "little")
        return rotate(lane + word * p2 & mask, 31) * p1 & mask

    at = 0
    if len(data) < 32:
        value = seed + p5
    else:
        lanes = [seed + p1 + p2, seed + p2, seed, seed - p1]
        for at in range(0, len(data) - 31, 32):
            lanes = [round_of(lane, at + 8 * i) for i, lane in enumerate(lanes)]
        at += 32
        value = sum(rotate(lane, n) for lane, n in zip(lanes, (1, 7, 12, 18), strict=True))
        for lane in lanes:
            value = (value ^ rotate(lane * p2 & mask, 31) * p1) * p1 + p4 & mask
    value = value + len(data) & mask
    while len(data) - at >= 8:
        value = rotate(value ^ round_of(0, at), 27) * p1 + p4 & mask
        at += 8
    if len(data) - at >= 4:
        value ^= int.from_bytes(data[at : at + 4], "little") * p1 & mask
        value = rotate(value, 23) * p2 + p3 & mask
        at += 4
    for byte in data[at:]:
        value = rotate(value ^ byte * p5 & mask, 11) * p1 & mask
    value = (value ^ value >> 33) * p2 & mask
    value = (value ^ value >> 29) * p3 & mask
    return value ^ value >> 32


@pytest.mark.parametrize("size", [*range(0, 70), 95, 96, 97, 127, 128, 1000])
def test_xxh64_is_what_the_specification_says(size: int) -> None:
    data = bytes(i * 151 % 256 for i in range(size))
    for seed in (0, 1, 2**64 - 1):
        assert xxh64(data, seed) == by_definition(data, seed)


@pytest.mark.parametrize(("data", "seed"), XXH64)
def test_xxh64_gives_the_published_values(data: bytes, seed: int) -> None:
    assert xxh64(data, seed) == XXH64[data, seed]
    assert xxh64(memoryview(b"?" + data)[1:], seed) == XXH64[data, seed]


def test_xxh64_of_rows_is_that_of_their_bytes() -> None:
    rows = np.random.default_rng(5).integers(0, 256, (50, 16), dtype=np.uint8)
    hashes = xxh64_many16(rows, 2**64 - 1)
    assert hashes.tolist() == [xxh64(row.tobytes(), 2**64 - 1) for row in rows]
    assert len(xxh64_many16(rows[:0], 0)) == 0


@pytest.mark.parametrize("size", SIPHASH)
def test_siphash_gives_the_published_values(size: int) -> None:
    assert siphash128(bytes(range(size)), KEY).hex() == SIPHASH[size]


def test_a_batch_digests_the_kind_and_then_the_string() -> None:
    values = ["", "a", None, "13800138000", "制造业", "x" * 300]
    strings = Strings.from_list(["skipped", *values]).slice(1, 7)
    digests = siphash128_many(strings, KEY, 3)
    assert digests.shape == (6, 2)
    for digest, value in zip(digests, values, strict=True):
        message = (3).to_bytes(8, "little") + (value or "").encode()
        assert digest.tobytes() == siphash128(message, KEY)
    assert not np.any(siphash128_many(strings, KEY, 4) == digests)
    assert siphash128_many(Strings.missing(0), KEY, 0).shape == (0, 2)
