"""CRC-32C: published values, every path against the definition, and how the path is chosen."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from engine.store import checksum
from engine.store.checksum import crc32c, crc32c_portable

# RFC 3720, appendix B.4, and the check value of the catalogue of parametrised CRCs.
PUBLISHED = {
    b"": 0,
    b"123456789": 0xE3069283,
    bytes(32): 0x8A9136AA,
    b"\xff" * 32: 0x62A8AB43,
    bytes(range(32)): 0x46DD794E,
    bytes(range(31, -1, -1)): 0x113FDB5C,
}


def by_definition(data: bytes, seed: int = 0) -> int:
    """The remainder bit by bit, polynomial 0x1EDC6F41 reflected."""
    crc = seed ^ 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.mark.parametrize("path", [crc32c, crc32c_portable, by_definition])
@pytest.mark.parametrize("data", PUBLISHED)
def test_published_values(path, data: bytes) -> None:
    assert path(data) == PUBLISHED[data]


def test_every_path_gives_the_value_of_the_definition(seed: int) -> None:
    chance = random.Random(seed)
    # Around a word, a round of short lanes (768) and a round of long lanes (12288).
    borders = [0, 1, 7, 8, 9, 767, 768, 769, 775, 776, 777, 1536, 12287, 12288, 12289, 13056]
    sizes = borders + [chance.randrange(30_000) for _ in range(12)]
    data = chance.randbytes(max(sizes) + 16)
    for size in sizes:
        at = chance.randrange(16)
        piece = memoryview(data)[at : at + size]
        before = chance.getrandbits(32)
        expected = by_definition(bytes(piece), before)
        assert crc32c(piece, before) == expected, (seed, size, at)
        assert crc32c_portable(piece, before) == expected, (seed, size, at)


def test_paths_agree_on_long_input_at_every_alignment(seed: int) -> None:
    data = random.Random(seed).randbytes(300_000)
    for at in range(17):
        piece = memoryview(data)[at : len(data) - at]
        assert crc32c(piece) == crc32c_portable(piece), (seed, at)


def test_the_seed_continues_a_value() -> None:
    data = bytes(range(256)) * 64
    for cut in (0, 1, 768, 5000, len(data)):
        assert crc32c(data[cut:], crc32c(data[:cut])) == crc32c(data)


def test_a_flipped_bit_changes_the_value() -> None:
    data = bytearray(20_000)
    whole = crc32c(data)
    for bit in (0, 7, 8 * 4096, 8 * 12288 - 1, 8 * 12288, 8 * 19_999 + 7):
        data[bit // 8] ^= 1 << bit % 8
        assert crc32c(data) != whole
        data[bit // 8] ^= 1 << bit % 8
    assert crc32c(data) == whole


def test_the_environment_forces_the_portable_path() -> None:
    program = (
        "from engine.store.checksum import IMPLEMENTATION, crc32c\n"
        "print(IMPLEMENTATION, crc32c(b'123456789' * 5000))"
    )
    environment = {**os.environ, "STRATA_SIMD": "portable", "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["portable", str(crc32c(b"123456789" * 5000))]
    assert checksum.IMPLEMENTATION in ("hardware", "portable")
