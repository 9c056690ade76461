"""Whose identifiers these are: kinds and values as people write them, to rows."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.columns.strings import Strings
from engine.errors import InputInvalid, about_field
from engine.identity.digests import UNKNOWN
from engine.identity.state import IdentityView
from engine.identity.view import UID, Identities, uid_strings
from engine.model.definitions import Model
from engine.nearest import nearest

__all__ = ["check_kind", "owners", "row_of", "rows_of"]

_UID_HEX_DIGITS = 32
_HEX = re.compile("[0-9a-fA-F]+")


def check_kind(model: Model, kind: str) -> None:
    """Raises InputInvalid where the model has no such kind of identifier; `uid` always is one."""
    if kind == UID or kind in model.identifiers:
        return
    known = [*model.identifiers, UID]
    close = nearest(kind, known)
    hint = f"Did you mean {close}?" if close else f"There are {', '.join(known)}."
    raise about_field(InputInvalid, "", f"there is no identifier kind {kind}. {hint}")


def owners(identities: Identities, model: Model, kind: str, values: Strings) -> NDArray[np.uint32]:
    """Rows of the owners of n identifiers, uint32 (n,); UNKNOWN where nobody owns it.

    Uids are written in 32 hexadecimal digits. A value that the model blocks has no owner,
    also where it had one before it was blocked. Raises InputInvalid for an unknown kind.
    """
    check_kind(model, kind)
    if kind == UID and UID not in model.identifiers:
        return _uid_owners(identities, values)
    rows = identities.lookup(kind, values)
    blocked = model.identifiers[kind].blocked
    if blocked and (rows != UNKNOWN).any():
        blocked_rows = identities.lookup(kind, Strings.from_list(sorted(blocked)))
        owned = np.flatnonzero(np.isin(rows, blocked_rows[blocked_rows != UNKNOWN]))
        # Few at most: profiles that own a value blocked since.
        texts = values.take(owned).to_list()
        rows[owned[[text in blocked for text in texts]]] = UNKNOWN
    return rows


def rows_of(
    identities: Identities, model: Model, identifiers: Sequence[tuple[str, str]]
) -> NDArray[np.uint32]:
    """Rows of the owners of n (kind, value), uint32 (n,); UNKNOWN where nobody owns it.

    Raises InputInvalid for an unknown kind.
    """
    rows = np.full(len(identifiers), UNKNOWN, np.uint32)
    kinds = np.array([kind for kind, _ in identifiers], np.object_)
    for kind in dict.fromkeys(kinds.tolist()):
        at = np.flatnonzero(kinds == kind)
        values = [identifiers[i][1] for i in at.tolist()]
        rows[at] = owners(identities, model, kind, Strings.from_list(values))
    return rows


def row_of(identities: IdentityView, model: Model, kind: str, value: str) -> int:
    """The row of the owner of one identifier, UNKNOWN where nobody owns it. Raises InputInvalid for
    an unknown kind."""
    known = model.identifiers.get(kind)
    if known is not None:
        return UNKNOWN if value in known.blocked else identities.row_of(kind, value.encode())
    check_kind(model, kind)
    if len(value) != _UID_HEX_DIGITS or not _HEX.fullmatch(value):
        return UNKNOWN
    return identities.row_of(UID, bytes.fromhex(value))


def _uid_owners(identities: Identities, values: Strings) -> NDArray[np.uint32]:
    rows = np.full(len(values), UNKNOWN, np.uint32)
    at = np.flatnonzero(values.lengths() == _UID_HEX_DIGITS)
    if not len(at):
        return rows
    digits = _HEX_VALUES[values.take(at).data.reshape(-1, _UID_HEX_DIGITS)]
    is_hex = (digits < 16).all(axis=1)
    at, digits = at[is_hex], digits[is_hex]
    uids = (digits[:, 0::2] << 4 | digits[:, 1::2]).astype(np.uint8)
    rows[at] = identities.lookup(UID, uid_strings(uids))
    return rows


def _hex_values() -> NDArray[np.uint8]:
    """What each byte stands for as a hexadecimal digit; 255 where it is none."""
    values = np.full(256, 255, np.uint8)
    for digits in (b"0123456789abcdef", b"0123456789ABCDEF"):
        values[np.frombuffer(digits, np.uint8)] = np.arange(16, dtype=np.uint8)
    return values


_HEX_VALUES = _hex_values()
