"""The whole model file as one shape: which sections there are and what stands in them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from engine.model.sections.actions import ActionShape
from engine.model.sections.attributes import AttributeShape
from engine.model.sections.events import EventShape
from engine.model.sections.identifiers import IdentifierShape
from engine.model.sections.purposes import PurposeShape
from engine.model.sections.scores import ScoreShape
from engine.model.sections.segments import SegmentShape
from engine.model.sections.sources import SourceShape
from engine.model.sections.tag_rules import TagRuleShape
from engine.model.sections.tiers import TierShape
from engine.model.shape import Shape
from engine.model.time_zones import TimeZone
from engine.model.written import Name

__all__ = ["NAMED", "SECTIONS", "DocumentShape"]


class DocumentShape(Shape):
    """A model file for Strata: everything it knows about profiles and the rules over them."""

    time_zone: TimeZone = Field("UTC", description="Where a day begins. IANA name.")
    identifiers: dict[Name, IdentifierShape] = Field(
        min_length=1, description="Kinds of identifier, the most trusted first."
    )
    purposes: dict[Name, PurposeShape] = Field({}, description="What data may be used for.")
    attributes: dict[Name, AttributeShape] = Field({}, description="What is kept of a profile.")
    events: dict[Name, EventShape] = Field({}, description="What profiles do.")
    event_groups: dict[Name, tuple[Name, ...]] = Field(
        {}, description="Names for several types of event at once."
    )
    tag_rules: tuple[TagRuleShape, ...] = Field((), description="Tags given by rule.")
    scores: dict[Name, ScoreShape] = Field({}, description="Points given by rules.")
    tiers: dict[Name, TierShape] = Field({}, description="Names for where a profile stands.")
    segments: dict[Name, SegmentShape] = Field({}, description="Named expressions.")
    actions: dict[Name, ActionShape] = Field({}, description="What the feed asks for.")
    sources: dict[Name, SourceShape] = Field({}, description="How files are loaded.")


# In the order in which a model is told.
SECTIONS: tuple[str, ...] = tuple(DocumentShape.model_fields)

# Sections of named entries, with the shape of an entry.
NAMED: dict[str, Any] = {
    "identifiers": IdentifierShape,
    "purposes": PurposeShape,
    "attributes": AttributeShape,
    "events": EventShape,
    "event_groups": tuple[Name, ...],
    "scores": ScoreShape,
    "tiers": TierShape,
    "segments": SegmentShape,
    "actions": ActionShape,
    "sources": SourceShape,
}
