"""Wrong tag rules, scores and tiers, each with the exact words that its author reads."""

from __future__ import annotations

import pytest

from engine.model.load import load_model
from tests.unit.test_model_faults import HEAD, faults

ONE_FAULT = {
    # ----------------------------------------------------------------------- tag rules
    "tag_rules:\n- {tag: x}": (
        "tag_rules[0], line 3: a tag rule needs one of `when` or `each`, found none"
    ),
    "tag_rules:\n- {tag: x, when: a, each: b}": (
        "tag_rules[0], line 3: a tag rule needs one of `when` or `each`, found `when` and `each`"
    ),
    "tag_rules:\n- {tag: x, when: a, keep: stiky}": (
        "tag_rules[0].keep, line 3: expected one of sticky, live; found 'stiky' "
        "(did you mean 'sticky'?)"
    ),
    "tag_rules:\n- {tag: 'x{p}', when: a}": (
        "tag_rules[0].tag, line 3: '{p}' needs an event to take its value from "
        "(use `each` in place of `when`)"
    ),
    "tag_rules:\n- {tag: 'x{p', when: a}": (
        "tag_rules[0].tag, line 3: a bracket is open (write {property}, a property's name)"
    ),
    "events: {e: }\ntag_rules:\n- {tag: x, each: e}": (
        "tag_rules[0].tag, line 4: with `each` the tag comes from a property "
        "(put {property} in the tag, or use `when` with count(...) >= 1)"
    ),
    "events: {e: {properties: {topic: category}}}\ntag_rules:\n- {tag: '{topik}', each: e}": (
        "tag_rules[0].tag, line 4: the events have no property 'topik' (did you mean 'topic'?)"
    ),
    "events: {e: , f: }\nevent_groups: {g: [e]}\n"
    "tag_rules:\n- {tag: '{p}', each: \"g , f in last 3 days\"}": (
        "tag_rules[0].tag, line 5: the events have no property 'p' "
        "(declare it under the event's properties)"
    ),
    "events: {e: }\ntag_rules:\n- {tag: '{p}', each: any}": (
        "tag_rules[0].tag, line 4: the events have no property 'p' "
        "(declare it under the event's properties)"
    ),
    "tag_rules:\n- {tag: x, when: a}\n- {tag: x, when: b}": (
        "tag_rules[1].tag, line 4: the tag 'x' has a rule already, tag_rules[0] "
        "(join the two with `or`)"
    ),
    # -------------------------------------------------------------------------- scores
    "scores: {s: {rules: []}}": ("scores.s.rules, line 2: expected at least one entry, found none"),
    "scores: {s: {}}": "scores.s, line 2: the key 'rules' is missing",
    "scores: {s: {rules: [{when: a}]}}": "scores.s.rules[0], line 2: the key 'points' is missing",
    "scores: {s: {rules: [{points: 1}]}}": (
        "scores.s.rules[0], line 2: a score rule needs one of `when` or `each`, found none"
    ),
    "scores: {s: {rules: [{when: a, points: 1.2345}]}}": (
        "scores.s.rules[0].points, line 2: '1.2345' has 4 digits after the point "
        "(points are exact to three digits after the point)"
    ),
    "scores: {s: {rules: [{when: a, points: 1e3}]}}": (
        "scores.s.rules[0].points, line 2: expected a number, found '1e3'"
    ),
    "scores: {s: {rules: [{when: a, points: .nan}]}}": (
        "scores.s.rules[0].points, line 2: expected a number, found '.nan'"
    ),
    "scores: {s: {rules: [{when: a, points: -1_000_001}]}}": (
        "scores.s.rules[0].points, line 2: '-1_000_001' is beyond 1,000,000"
    ),
    "scores: {s: {rules: [{when: a, points: 1, half_life: 1 day}]}}": (
        "scores.s.rules[0].half_life, line 2: `half_life` belongs to a rule with `each` "
        "(use `each` to give points for every event)"
    ),
    "scores: {s: {rules: [{each: a, points: 1, at_most: 0}]}}": (
        "scores.s.rules[0].at_most, line 2: expected a number above 0, found 0 "
        "(it bounds the size of the sum, whatever its sign)"
    ),
    "scores:\n  s:\n    rules: [{when: a, points: 1}]\n    floor: 5\n    ceiling: 4.5": (
        "scores.s.floor, line 5: the floor 5 lies above the ceiling 4.5"
    ),
    "scores: {s: {rules: [{when: a, points: 1}], bands: {a: 1, b: 1.0}}}": (
        "scores.s.bands.b, line 2: 'a' has the same bound, 1.0 (choose another)"
    ),
    "scores: {s: {rules: [{when: a, points: 1}], ceiling: 9, bands: {a: 10}}}": (
        "scores.s.bands.a, line 2: no score reaches the bound 10: the ceiling is 9"
    ),
    "scores: {s: {rules: [{when: a, points: 1}], bands: {hot: 5}, hold: {hott: 3}}}": (
        "scores.s.hold.hott, line 2: unknown band 'hott' (did you mean 'hot'?)"
    ),
    "scores: {s: {rules: [{when: a, points: 1}], bands: {hot: 5}, hold: {hot: 6}}}": (
        "scores.s.hold.hot, line 2: 'hot' would be left below 6, above its bound 5 "
        "(hold lies at or below the bound)"
    ),
    "scores: {s: {rules: [{when: a, points: 1}], floor: -20, bands: {hot: 5}, hold: {hot: -21}}}": (
        "scores.s.hold.hot, line 2: 'hot' would never be left: no score lies below -21, as the "
        "floor is -20 (hold lies above the floor)"
    ),
    "scores: {s: {rules: [{when: a, points: 1}], floor: 0, bands: {hot: 5}, hold: {hot: 0}}}": (
        "scores.s.hold.hot, line 2: 'hot' would never be left: no score lies below 0, as the "
        "floor is 0 (hold lies above the floor)"
    ),
    # --------------------------------------------------------------------------- tiers
    "tiers: {t: {}}": (
        "tiers.t, line 2: a tier needs one of `stages` or `rfm` or `rfe` or `top`, found none"
    ),
    "tiers: {t: {stages: []}}": "tiers.t.stages, line 2: expected at least one stage",
    "tiers: {t: {stages: [{name: a, when: x}, {name: a, when: y}]}}": (
        "tiers.t.stages[1].name, line 2: the stage 'a' stands twice (join the two with `or`)"
    ),
    "tiers: {t: {top: {by: x, shares: {a: 60%, b: 40.5%}}}}": (
        "tiers.t.top.shares, line 2: the shares add up to 100.5%, more than 100%"
    ),
    "tiers: {t: {top: {by: x, shares: {a: 20}}}}": (
        "tiers.t.top.shares.a, line 2: expected a share such as 20%, found '20' "
        "(above 0% and at most 100%, with at most three digits after the point)"
    ),
    "tiers: {t: {top: {by: x, shares: {a: 20%}, shards: 1}}}": (
        "tiers.t.top.shards, line 2: unknown key 'shards' (did you mean 'shares'?)"
    ),
    "tiers: {t: {top: {by: x, shares: {a: 20%}}, default: a}}": (
        "tiers.t.default, line 2: 'a' is the name of a share (rename one)"
    ),
    "tiers: {t: {rfm: {recency: a, frequency: b, monetary: c, cut: meen}}}": (
        "tiers.t.rfm.cut, line 2: expected one of mean, median, quintile; found 'meen' "
        "(did you mean 'mean'?)"
    ),
    "tiers: {t: {rfm: {recency: a, frequency: b, monetary: c, cut: mean}, default: d}}": (
        "tiers.t.default, line 2: a tier by rfm has no default "
        "(profiles without its recency are in no cell)"
    ),
    "tiers: {t: {rfm: {recency: a, frequency: b, monetary: c, "
    "cut: {recency: 3 days, frequency: 1}}}}": (
        "tiers.t.rfm.cut, line 2: a fixed cut needs `monetary` "
        "(all of recency, frequency, monetary)"
    ),
    "tiers: {t: {rfm: {recency: a, frequency: b, monetary: c, cut: mean, cells: {HHX: a}}}}": (
        "tiers.t.rfm.cells.HHX, line 2: expected one of HHH, HLH, LHH, LLH, HHL, HLL, LHL, LLL; "
        "found 'HHX' (did you mean 'HHH'?)"
    ),
    "tiers: {t: {rfm: {recency: a, frequency: b, monetary: c, cut: mean, "
    "cells: {LLL: 重要价值}}}}": (
        "tiers.t.rfm.cells.LLL, line 2: '重要价值' names two cells, HHH and LLL"
    ),
    "events: {read: }\ntiers: {t: {rfe: {recency: a, frequency: b, engagement: {raed: 1}, "
    "cut: mean}}}": (
        "tiers.t.rfe.engagement.raed, line 3: unknown event 'raed' (did you mean 'read'?)"
    ),
    "events: {read: }\nevent_groups: {g: [read]}\n"
    "tiers: {t: {rfe: {recency: a, frequency: b, engagement: {g: 1, read: 2}, cut: mean}}}": (
        "tiers.t.rfe.engagement.read, line 4: 'read' is weighed twice, by 'g' and by 'read'"
    ),
}


@pytest.mark.parametrize("text", ONE_FAULT, ids=range(len(ONE_FAULT)))
def test_one_fault(text: str) -> None:
    assert faults(text) == [ONE_FAULT[text]]


def test_borders_are_in() -> None:
    longest = "n" * 200
    text = f"""\
attributes: {{{longest}: {{type: decimal, scale: 18}}, none: {{type: decimal, scale: 0}}}}
events: {{e: {{retention: 365250 days}}, f: {{retention: 1 Second}}}}
scores:
  s:
    rules: [{{when: a, points: -1_000_000}}, {{when: a, points: 1.2340}}, {{when: a, points: -0}}]
    floor: 5
    ceiling: 5
    bands: {{low: 4.999, high: 5}}
    hold: {{high: 5}}
tiers: {{t: {{top: {{by: x, shares: {{a: 60%, b: 39.999%, c: 0.001%}}}}}}}}
"""
    model, _ = load_model({"m.yaml": HEAD + text})
    assert longest in model.attributes
    assert model.events["e"].retention_us == 365_250 * 86_400_000_000
    assert model.events["f"].retention_us == 1_000_000
    points = [str(rule["points"]) for rule in model.scores["s"]["rules"]]
    assert points == ["-1000000", "1.2340", "0"]
    assert sum(model.tiers["t"]["top"]["shares"].values()) == 100
