"""Wrong models, each with the exact words that its author reads."""

from __future__ import annotations

import pytest

from engine.errors import ModelInvalid
from engine.model.load import load_model

# Line 1 of every model here.
HEAD = "identifiers: {phone: {}, member: }\n"


def faults(text: str, *, head: str = HEAD) -> list[str]:
    with pytest.raises(ModelInvalid) as caught:
        load_model({"m.yaml": head + text})
    return [str(issue).removeprefix("m.yaml, ") for issue in caught.value.issues]


TYPES = "category, set, int, decimal, float, bool, date, time, text"

ONE_FAULT = {
    # ------------------------------------------------------------------- the document
    "atributes: {}": "atributes, line 2: unknown key 'atributes' (did you mean 'attributes'?)",
    "attributes: [a]": "attributes, line 2: expected a mapping of names, found a list",
    "segments: x": "segments, line 2: expected a mapping of names, found 'x'",
    "tag_rules: {a: b}": (
        "tag_rules, line 2: expected a list of rules, each beginning with '-', found a mapping"
    ),
    "time_zone: Asia/Shangai": (
        "time_zone, line 2: expected a time zone, found 'Asia/Shangai' "
        "(did you mean 'Asia/Shanghai'?)"
    ),
    "time_zone: localtime": (
        "time_zone, line 2: expected a time zone, found 'localtime' "
        "(for example Asia/Shanghai or UTC)"
    ),
    "time_zone: ../../etc/passwd": (
        "time_zone, line 2: expected a time zone, found '../../etc/passwd' "
        "(for example Asia/Shanghai or UTC)"
    ),
    "time_zone:": (
        "time_zone, line 2: expected a time zone, found nothing (for example Asia/Shanghai or UTC)"
    ),
    "segments: {' a': 'true'}": (
        "segments.\" a\", line 2: the name ' a' begins or ends with a blank"
    ),
    "segments: {'': 'true'}": 'segments."", line 2: a name cannot be empty',
    "segments: {'a\"b': 'true'}": (
        'segments."a"b", line 2: the name \'a"b\' holds a character that no name may have'
    ),
    f"segments: {{{'n' * 201}: 'true'}}": (
        f"segments.{'n' * 201}, line 2: a name has at most 200 characters, this one has 201"
    ),
    # ---------------------------------------------------------------------- attributes
    "attributes:\n  a: {type: categroy}": (
        f"attributes.a.type, line 3: expected one of {TYPES}; found 'categroy' "
        "(did you mean 'category'?)"
    ),
    "attributes: {a: string}": (
        f"attributes.a, line 2: expected one of {TYPES}; found 'string' (did you mean 'category'?)"
    ),
    "attributes: {a: {}}": "attributes.a, line 2: the key 'type' is missing",
    "attributes: {a: }": "attributes.a, line 2: expected a mapping, found nothing",
    "attributes: {a: {type: }}": (
        f"attributes.a.type, line 2: expected one of {TYPES}; found nothing"
    ),
    "attributes: {a: {type: int, lable: x}}": (
        "attributes.a.lable, line 2: unknown key 'lable' (did you mean 'label'?)"
    ),
    "attributes: {a: {type: int, zzz: x}}": (
        "attributes.a.zzz, line 2: unknown key 'zzz' "
        "(known keys: type, scale, label, history, needs, is)"
    ),
    "attributes: {a: {type: int, label: [x]}}": (
        "attributes.a.label, line 2: expected a text, found a list"
    ),
    f"attributes: {{a: {{type: int, history: {'n' * 60}}}}}": (
        f"attributes.a.history, line 2: expected true or false, found '{'n' * 60}'"
    ),
    f"attributes: {{a: {{type: int, history: {'n' * 61}}}}}": (
        f"attributes.a.history, line 2: expected true or false, found '{'n' * 60}...'"
    ),
    "attributes: {a: {type: int, label: ' '}}": (
        "attributes.a.label, line 2: expected a text, found only blanks"
    ),
    "attributes: {a: decimal}": (
        "attributes.a, line 2: a decimal needs a scale, the number of digits after the point "
        "(write for example {type: decimal, scale: 2})"
    ),
    "attributes: {a: {type: int, scale: 2}}": (
        "attributes.a.scale, line 2: only a decimal has a scale, this is of type int"
    ),
    "attributes: {a: {type: decimal, scale: 19}}": (
        "attributes.a.scale, line 2: expected a whole number from 0 to 18, found '19'"
    ),
    "attributes: {a: {type: decimal, scale: '2'}}": (
        "attributes.a.scale, line 2: expected a whole number from 0 to 18, "
        "found the text '2' (without quotes)"
    ),
    "attributes: {a: {type: decimal, scale: 2.5}}": (
        "attributes.a.scale, line 2: expected a whole number from 0 to 18, found '2.5'"
    ),
    "attributes: {a: {type: int, history: yes}}": (
        "attributes.a.history, line 2: expected true or false, found 'yes'"
    ),
    "attributes: {a: {type: int, history: 'true'}}": (
        "attributes.a.history, line 2: expected true or false, found 'true'"
    ),
    "attributes: {tag: set}": (
        "attributes.tag, line 2: 'tag' is built in: the set that tag rules and `tags:` of "
        "sources fill (use another name)"
    ),
    "attributes: {':live': int}": (
        "attributes.\":live\", line 2: the name ':live' begins with ':', as the store's own fields "
        "do"
    ),
    "segments: {':tags.A': 'true'}": (
        "segments.\":tags.A\", line 2: the name ':tags.A' begins with ':', as those of the store's "
        "own definitions"
    ),
    "events: {':fact:tag:A': {}}": (
        "events.\":fact:tag:A\", line 2: the name ':fact:tag:A' begins with ':', as those of the "
        "store's own events"
    ),
    "events: {visit: {properties: {':on': bool}}}": (
        "events.visit.properties.\":on\", line 2: the name ':on' begins with ':', as those of the "
        "store's own events"
    ),
    "purposes: {profiling: }\nattributes: {a: {type: int, needs: profilin}}": (
        "attributes.a.needs, line 3: unknown purpose 'profilin' (did you mean 'profiling'?)"
    ),
    "attributes: {a: {type: set, is: x}}": (
        "attributes.a.is, line 2: a set cannot be computed (a tag rule can fill `tag`)"
    ),
    "attributes: {a: {type: int, is: x, history: true}}": (
        "attributes.a.history, line 2: a computed attribute keeps no history of its own "
        "(at any instant it is computed from what was known then)"
    ),
    "purposes: {p: {channels: [sms, sms]}}": (
        "purposes.p.channels[1], line 2: 'sms' stands twice in the list"
    ),
    # -------------------------------------------------------------------------- events
    "events: {any: }": (
        "events.any, line 2: 'any' stands for every type of event (use another name)"
    ),
    "events: {e: {properties: {p: set}}}": (
        "events.e.properties.p, line 2: a property of an event holds one value, not a set "
        "(use category)"
    ),
    "events: {e: {properties: {p: decimal}}}": (
        "events.e.properties.p, line 2: a decimal needs a scale, the number of digits after the "
        "point (write for example {type: decimal, scale: 2})"
    ),
    "events: {e: {properties: {" + ", ".join(f"p{i}: int" for i in range(251)) + "}}}": (
        "events.e.properties, line 2: an event has at most 250 properties, this one has 251 "
        "(put what belongs together into a type of event of its own)"
    ),
    "events: {e: {properties: [p]}}": (
        "events.e.properties, line 2: expected a mapping, found a list"
    ),
    "events: {e: {propertis: {p: int}}}": (
        "events.e.propertis, line 2: unknown key 'propertis' (did you mean 'properties'?)"
    ),
    "events: {e: {properties: {p: {type: int, sacle: 3}}}}": (
        "events.e.properties.p.sacle, line 2: unknown key 'sacle' (did you mean 'scale'?)"
    ),
    "events: {e: {retention: 30}}": (
        "events.e.retention, line 2: expected a duration, found '30' "
        "(for example '30 days'; units are second, minute, hour, day and week)"
    ),
    "events: {e: {retention: 30 dayz}}": (
        "events.e.retention, line 2: 'dayz' is not a unit of time (did you mean 'day'?)"
    ),
    "events: {e: {retention: 365251 days}}": (
        "events.e.retention, line 2: the duration '365251 days' is out of range "
        "(from 1 second to 365,250 days)"
    ),
    "events: {e: {retention: 0 days}}": (
        "events.e.retention, line 2: the duration '0 days' is out of range "
        "(from 1 second to 365,250 days)"
    ),
    "events: {read: }\nevent_groups: {g: [raed]}": (
        "event_groups.g[0], line 3: unknown event 'raed' (did you mean 'read'?)"
    ),
    "events: {read: }\nevent_groups: {read: [read]}": (
        "event_groups.read, line 3: 'read' names a type of event already (rename one of them)"
    ),
    "events: {read: }\nevent_groups: {g: [read], h: [g]}": (
        "event_groups.h[0], line 3: 'g' is a group itself (list the types of events)"
    ),
    "event_groups: {g: []}": "event_groups.g, line 2: a group needs at least one type of event",
    "events: {read: }\nevent_groups: {g: [read, read]}": (
        "event_groups.g[1], line 3: 'read' stands twice in the list"
    ),
    "events: {read: }\nevent_groups: {g: read}": (
        "event_groups.g, line 3: expected a list, found 'read'"
    ),
    # ------------------------------------------------------------- segments and actions
    "segments: {s: {label: x}}": "segments.s, line 2: the key 'when' is missing",
    "segments: {s: }": "segments.s, line 2: expected a mapping, found nothing",
    "segments: {s: [a]}": "segments.s, line 2: expected a mapping, found a list",
    "actions: {a: {on: x}}": "actions.a, line 2: the key 'do' is missing",
    "actions: {a: {do: x}}": (
        "actions.a, line 2: an action needs one of `on` or `each`, found none"
    ),
    "attributes: {city: int}\nactions: {a: {on: x, do: y, send: [ciyt]}}": (
        "actions.a.send[0], line 3: unknown attribute 'ciyt' (did you mean 'city'?)"
    ),
    "attributes: {city: float}\nactions: {a: {on: x, do: y, owner: {by: city, table: {1: b}}}}": (
        "actions.a.owner.by, line 3: 'city' is of type float, which no table can list "
        "(use category, int, bool)"
    ),
    # ------------------------------------------------------------------------- sources
    "sources: {s: {identify: {phoen: x}}}": (
        "sources.s.identify.phoen, line 2: unknown kind of identifier 'phoen' "
        "(did you mean 'phone'?)"
    ),
    "sources: {s: {identify: {}}}": (
        "sources.s.identify, line 2: expected at least one entry, found none"
    ),
    "sources: {s: {attributes: {}}}": "sources.s, line 2: the key 'identify' is missing",
    "attributes: {city: int}\nsources: {s: {identify: {phone: x}, attributes: {ctiy: x}}}": (
        "sources.s.attributes.ctiy, line 3: unknown attribute 'ctiy' (did you mean 'city'?)"
    ),
    "sources: {s: {identify: {phone: x}, attributes: {tag: x}}}": (
        "sources.s.attributes.tag, line 2: tags are filled by the key `tags` of the source"
    ),
    "attributes: {c: {type: int, is: x}}\n"
    "sources: {s: {identify: {phone: x}, attributes: {c: x}}}": (
        "sources.s.attributes.c, line 3: 'c' is computed by `is`, nothing can be loaded into it"
    ),
    "attributes: {c: int}\n"
    "sources: {s: {identify: {phone: x}, attributes: {c: {column: x, split: ';'}}}}": (
        "sources.s.attributes.c.split, line 3: only a set is split, 'c' is of type int"
    ),
    "sources: {s: {identify: {phone: x}, tags: {column: x, split: ''}}}": (
        "sources.s.tags.split, line 2: expected what stands between two values, found an empty text"
    ),
    "attributes: {c: int}\nsources: {s: {identify: {phone: x}, by: y, attributes: {c: z}}}": (
        "sources.s.by, line 3: this source fills no set and no tags "
        "(`by` names who gives the values of a set)"
    ),
    "sources: {s: {identify: {phone: x}, time: y}}": (
        "sources.s.time, line 2: a source of profiles has no `time` (add `event:` to load events)"
    ),
    "sources: {s: {identify: {phone: x}, encoding: gb18303}}": (
        "sources.s.encoding, line 2: expected one of utf-8, utf8, gb18030, gbk, gb2312; "
        "found 'gb18303' (did you mean 'gb18030'?)"
    ),
    "sources: {s: {identify: {phone: x}, empty: remove}}": (
        "sources.s.empty, line 2: expected one of keep, unset; found 'remove'"
    ),
    "events: {order: }\nsources: {s: {identify: {phone: x}, event: odrer, time: t}}": (
        "sources.s.event, line 3: unknown event 'odrer' (did you mean 'order'?)"
    ),
    "events: {e: }\nevent_groups: {g: [e]}\n"
    "sources: {s: {identify: {phone: x}, event: g, time: t}}": (
        "sources.s.event, line 4: unknown event 'g' (that is a group: name one type of event)"
    ),
    "events: {e: }\nsources: {s: {identify: {phone: x}, event: e}}": (
        "sources.s, line 3: the key `time` is missing (name the column with the event's time)"
    ),
    "events: {e: }\nsources: {s: {identify: {phone: x}, event: e, time: t, tags: z}}": (
        "sources.s.tags, line 3: a source of events has no `tags` "
        "(a second source can load the same file without `event`)"
    ),
    "events: {e: {properties: {amount: int}}}\n"
    "sources: {s: {identify: {phone: x}, event: e, time: t, properties: {amout: z}}}": (
        "sources.s.properties.amout, line 3: the event 'e' has no property 'amout' "
        "(did you mean 'amount'?)"
    ),
}


@pytest.mark.parametrize("text", ONE_FAULT, ids=range(len(ONE_FAULT)))
def test_one_fault(text: str) -> None:
    assert faults(text) == [ONE_FAULT[text]]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (
            "attributes: {}\n",
            "identifiers, line 1: a model declares at least one kind of identifier "
            "(for example {phone: {per_profile: 3}})",
        ),
        (
            "identifiers: {}\n",
            "identifiers, line 1: a model declares at least one kind of identifier "
            "(for example {phone: {per_profile: 3}})",
        ),
        (
            "identifiers: {uid: }\n",
            "identifiers.uid, line 1: 'uid' is built in: the id that every profile has (rename it)",
        ),
        (
            "identifiers: {'a:b': }\n",
            "identifiers.\"a:b\", line 1: the kind 'a:b' holds ':' "
            "(an identifier is written kind:value)",
        ),
        (
            "identifiers: {phone: {per_profile: 0}}\n",
            "identifiers.phone.per_profile, line 1: expected a whole number from 1 to 1,000,000, "
            "found '0'",
        ),
        (
            "identifiers: {phone: {blocked: [null]}}\n",
            "identifiers.phone.blocked[0], line 1: expected a text, found nothing "
            "(in quotes, if the text itself was meant)",
        ),
        (
            "identifiers: {phone: {blocked: [000, '000']}}\n",
            "identifiers.phone.blocked[1], line 1: '000' stands twice in the list",
        ),
    ],
)
def test_identifiers(head: str, expected: str) -> None:
    assert faults("", head=head) == [expected]


def test_all_faults_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = """\
segmnts: {}
attributes:
  city: {typ: category}
  size: {type: int, needs: consent}
events:
  order: {properties: {amount: {type: decimal}}}
event_groups:
  buying: [order, odrer]
sources:
  files: {identify: {fone: x}, attributes: {city: a, zip: b}}
"""
    assert faults(text) == [
        "segmnts, line 2: unknown key 'segmnts' (did you mean 'segments'?)",
        "attributes.city, line 4: the key 'type' is missing",
        "attributes.city.typ, line 4: unknown key 'typ' (did you mean 'type'?)",
        "attributes.size.needs, line 5: unknown purpose 'consent' (declare it under purposes)",
        "events.order.properties.amount, line 7: a decimal needs a scale, the number of digits "
        "after the point (write for example {type: decimal, scale: 2})",
        "event_groups.buying[1], line 9: unknown event 'odrer' (did you mean 'order'?)",
        "sources.files.identify.fone, line 11: unknown kind of identifier 'fone' "
        "(did you mean 'phone'?)",
        "sources.files.attributes.zip, line 11: unknown attribute 'zip' "
        "(declare it under attributes)",
    ]


def test_a_faulty_declaration_is_told_once() -> None:
    """What refers to it stays silent: its name is known."""
    text = """\
purposes: {p: [x]}
attributes: {city: {type: nonsense}, size: {type: int, needs: p}}
events: {e: {properties: 3}}
event_groups: {g: e}
tag_rules:
- {tag: '{p}', each: g}
actions: {a: {on: x, do: y, owner: {by: city, table: {b: c}}, send: [city]}}
sources:
  s: {identify: {phone: x}, attributes: {city: {column: y, split: z}}, by: who}
  t: {identify: {phone: x}, event: e, time: t, properties: {p: q}}
"""
    assert [fault.split(":")[0] for fault in faults(text)] == [
        "purposes.p, line 2",
        "attributes.city.type, line 3",
        "events.e.properties, line 4",
        "event_groups.g, line 5",
    ]
