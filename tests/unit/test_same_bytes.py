"""Buffers of any kind that have the same bytes, and others."""

from __future__ import annotations

import pytest

from engine.bitmaps import Buffer
from engine.columns.same_bytes import same_bytes


@pytest.mark.parametrize("kind", [bytes, lambda made: memoryview(bytearray(made))])
def test_same_bytes(kind: type[Buffer]) -> None:
    for size in (0, 1, 7, 8, 100_003):
        content = bytes(i % 251 for i in range(size))
        assert same_bytes(kind(content), content)
        assert not same_bytes(kind(content), content + b"\0")
        assert not same_bytes(kind(content + b"\0"), content)
        for at in {0, size // 2, size - 1} if size else ():
            other = bytearray(content)
            other[at] ^= 1
            assert not same_bytes(kind(bytes(other)), content)
