"""Where low ends: the cuts of tiers, worked out from all profiles and kept until a refresh."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from engine.model.plain import Tier

__all__ = ["Cuts", "needs_cuts"]

# Of each tier the least value that is high, in each metric or for each share; None where nobody's
# is. Nothing at all where no refresh has found a population: then nobody has a cell or a share.
# Units are those of bound trees (engine.rules.bound).
Cuts = Mapping[str, tuple[Fraction | None, ...]]


def needs_cuts(tier: Tier) -> bool:
    """Whether a tier is cut where the values of all profiles say, and not where the model does."""
    if "top" in tier:
        return True
    metrics = tier.get("rfm") or tier.get("rfe")
    return metrics is not None and isinstance(metrics["cut"], str)
