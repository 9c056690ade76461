"""The card of a profile: what cannot be said of it is left out, with a note."""

from __future__ import annotations

from engine.explaining.cards import asked_of, card_of
from engine.explaining.one_profile import OneProfile
from engine.explaining.reading import Reading
from engine.model.load import load_model
from engine.rules.bind import Binder

MODEL = """\
identifiers: {member: {}}
attributes: {size: {type: int}}
events: {download: {properties: {asset: category}}}
scores:
  fit: {rules: [{when: "size >= 100", points: 60}], bands: {low: 0, high: 50}}
  likes: {rules: [{when: "tag contains 'saw'", points: 5}], bands: {none: 0}}
tiers:
  by_likes: {stages: [{name: fan, when: "tag ends with 'w x'"}], default: other}
  core: {top: {by: "count(download)", shares: {core: 20%}}, default: rest}
  by_size: {stages: [{name: big, when: "size > 1"}]}
tag_rules:
- {tag: 'saw {asset}', each: download, keep: sticky}
- {tag: big, when: "size > 1", keep: live}
- {tag: seen, when: "tag starts with 'sa'", keep: live}
"""


def test_what_has_no_cuts_is_noted() -> None:
    model, _ = load_model({"model.yaml": MODEL})
    binder = Binder(model)
    reading = Reading(OneProfile(bytes(16), model.time_zone, {"size": 100}), 0)
    card = card_of(asked_of(binder), binder, reading)
    assert {name: one.points for name, one in card.scores.items()} == {"fit": 60_000, "likes": 0}
    assert card.bands == {"fit": "high", "likes": "none"}
    assert card.tiers == {"by_likes": "other", "by_size": "big"}
    assert card.tags == ("big",)
    assert list(card.notes) == ["tiers.core"]
    assert "no cuts yet" in card.notes["tiers.core"]
