"""Names of time zones, as the IANA database has them."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, WithJsonSchema

from engine.model.written import fault, found
from engine.nearest import nearest

__all__ = ["TimeZone"]

# Files that some systems keep among the zones; what they mean differs from host to host.
_NOT_ZONES = frozenset({"localtime", "posixrules", "Factory"})


def _time_zone(value: Any) -> str:
    if isinstance(value, str) and value not in _NOT_ZONES and len(value) <= 64:
        try:
            return ZoneInfo(value).key
        except (KeyError, ValueError, OSError):
            # Unknown names, paths out of the database, folders: one answer for all.
            pass
    near = nearest(value, sorted(available_timezones())) if isinstance(value, str) else None
    hint = f"did you mean '{near}'?" if near else "for example Asia/Shanghai or UTC"
    raise fault(f"expected a time zone, found {found(value)}", hint)


# Kept as the name; the same name always gives the same zone.
TimeZone = Annotated[str, BeforeValidator(_time_zone), WithJsonSchema({"type": "string"})]
