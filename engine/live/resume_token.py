"""Places in the feed, and the resume tokens by which callers name them.

A token is 28 bytes in base64url without padding: version u8 (1), the first 7 bytes of the
store's uid, sequence u64, ordinal u64, and the CRC-32C of these, all little-endian. It is
opaque to callers; the check finds slips, it does not keep anyone from forging a token, who
could begin anywhere anyway.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from typing import Final

from engine.errors import InputInvalid
from engine.store.checksum import crc32c

__all__ = ["FeedPosition", "pack_token", "unpack_token"]

VERSION: Final = 1
UID_BYTES: Final = 7

_PLACE = struct.Struct(f"<B{UID_BYTES}sQQ")
_CHECK = struct.Struct("<I")
_CHARACTERS = -(-4 * (_PLACE.size + _CHECK.size) // 3)


@dataclass(frozen=True, slots=True, order=True)
class FeedPosition:
    """Between two entries: behind all records before `sequence`, and behind the first `ordinal`
    entries of that record, if there is one."""

    sequence: int
    ordinal: int = 0


def pack_token(store_uid: bytes, position: FeedPosition) -> str:
    """The token of a position: 38 letters, digits, - and _."""
    place = _PLACE.pack(VERSION, store_uid[:UID_BYTES], position.sequence, position.ordinal)
    return base64.urlsafe_b64encode(place + _CHECK.pack(crc32c(place))).decode().rstrip("=")


def unpack_token(store_uid: bytes, token: str) -> FeedPosition:
    """The position of a token. InputInvalid for a text that is none, or is of another store."""
    try:
        if len(token) != _CHARACTERS:
            raise ValueError
        raw = base64.b64decode(f"{token}==", altchars=b"-_", validate=True)
        place, check = raw[: _PLACE.size], raw[_PLACE.size :]
        version, uid, sequence, ordinal = _PLACE.unpack(place)
        if version != VERSION or not sequence or check != _CHECK.pack(crc32c(place)):
            raise ValueError
    except ValueError:  # binascii.Error is one
        raise InputInvalid(
            "The resume token is none: it is not what a watch gave out, or part of it is lost."
            " Give it as it was, or begin anew."
        ) from None
    if uid != store_uid[:UID_BYTES]:
        raise InputInvalid("The resume token belongs to another store; begin anew on this one.")
    return FeedPosition(sequence, ordinal)
