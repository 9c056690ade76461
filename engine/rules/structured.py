"""The structured form of expressions: message `Expr` of proto/strata/v1/expression.proto.

Here it is plain dicts and lists, equal to protobuf's JSON mapping with the field names of the
.proto file. It maps 1:1 to the tree, and so to the canonical text, both ways.
"""

from __future__ import annotations

from engine.rules.structured_read import from_structured
from engine.rules.structured_write import to_structured

__all__ = ["from_structured", "to_structured"]
