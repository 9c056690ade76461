"""From the texts of model files to a validated model.

1. Each text becomes a tree of nodes with lines (`yaml_tree`), the trees one (`merge`).
2. Each entry of each section is held against its shape by itself, so that a fault in one
   entry hides none in another.
3. Entries of a right shape are held against the names that the whole model declares, the
   faulty ones included: a fault is told once, where it is.
4. Without a fault, the shapes become definitions.

Expressions stay text here; `engine.rules.check` reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from engine.errors import Issue, ModelInvalid
from engine.limits import MODEL_BYTES
from engine.model.definitions import TAG, Attribute, Model
from engine.model.document import NAMED, SECTIONS
from engine.model.faults import shape_faults
from engine.model.merge import merge_files, plain_data, positions_of
from engine.model.not_yet import keys_not_yet
from engine.model.positions import Positions
from engine.model.sections import (
    actions,
    attributes,
    events,
    identifiers,
    purposes,
    scores,
    segments,
    sources,
    tag_rules,
    tiers,
)
from engine.model.sections.declared import Declared
from engine.model.shape import Fault, did_you_mean
from engine.model.time_zones import TimeZone
from engine.model.written import NOTHING, found, name_fault
from engine.model.yaml_tree import MapNode, read_yaml

__all__ = ["load_model"]

_ADAPTERS: dict[str, TypeAdapter[Any]] = {
    **{section: TypeAdapter(shape) for section, shape in NAMED.items()},
    "time_zone": TypeAdapter(TimeZone),
    "tag_rules": TypeAdapter(tag_rules.TagRuleShape),
}

_CHECKS: dict[str, Any] = {
    "identifiers": identifiers.check,
    "purposes": purposes.check,
    "attributes": attributes.check,
    "events": events.check,
    "event_groups": events.check_group,
    "tag_rules": tag_rules.check,
    "scores": scores.check,
    "tiers": tiers.check,
    "segments": segments.check,
    "actions": actions.check,
    "sources": sources.check,
}


def load_model(
    files: Mapping[str, str], change: Callable[[dict[str, Any]], None] | None = None
) -> tuple[Model, Positions]:
    """The model that the files declare together, and where each of its keys stands. `change` may
    alter what was read, scalars being `Written`, before it is checked.

    `files` maps the name of a file to its text, in the order in which they are read.
    Raises ModelInvalid with every fault found, in the order of the files and their lines.
    """
    root, issues = _read(files)
    if root is None:
        raise _invalid(files, issues)
    positions = positions_of(root)
    data = plain_data(root)
    if change is not None:
        change(data)
    reading = _Reading(data)
    for fault in reading.faults():
        issues.append((positions[fault.path][0], positions.issue(*fault)))
    if issues:
        raise _invalid(files, issues)
    return _build(reading, files), positions


def _invalid(files: Mapping[str, str], issues: list[tuple[str, Issue]]) -> ModelInvalid:
    """All faults as one error, in the order of the files and their lines."""
    order = {file: at for at, file in enumerate(files)}
    issues.sort(key=lambda found_in: (order.get(found_in[0], 0), found_in[1].line))
    return ModelInvalid(*(issue for _, issue in issues))


def _read(files: Mapping[str, str]) -> tuple[MapNode | None, list[tuple[str, Issue]]]:
    """All files as one tree, or None where one of them cannot be read; faults by file."""
    if not files:
        hint = "give a .yaml file or a folder of them"
        return None, [("", Issue("there is no model file", hint=hint))]
    if sum(len(text.encode("utf-8", "surrogatepass")) for text in files.values()) > MODEL_BYTES:
        told = f"the model is larger than {MODEL_BYTES >> 20} MiB"
        return None, [("", Issue(told, hint="upload long lists of values as lists"))]
    issues: list[tuple[str, Issue]] = []
    roots = []
    for file, text in files.items():
        root, found_here = read_yaml(file, text)
        issues += [(file, issue) for issue in found_here]
        if root is not None:
            roots.append(root)
    if len(roots) < len(files):
        return None, issues
    merged, claimed = merge_files(roots)
    return merged, issues + claimed


class _Reading:
    """The shapes of one model's entries, as far as they are right."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.time_zone = "UTC"
        # Section -> name, or number in a list -> shape.
        self.shapes: dict[str, dict[Any, Any]] = {section: {} for section in _CHECKS}

    def faults(self) -> Iterator[Fault]:
        """Every fault of the model; fills `shapes` on the way."""
        for section in self.data:
            if section not in SECTIONS:
                hint = did_you_mean(section, SECTIONS, f"known keys: {', '.join(SECTIONS)}")
                yield Fault((section,), f"unknown key '{section}'", hint)
        yield from self._time_zone_faults()
        for section in _CHECKS:
            yield from self._shape_faults(section)
        if self.data.get("identifiers", NOTHING) in (NOTHING, {}):
            hint = "for example {phone: {per_profile: 3}}"
            yield Fault(("identifiers",), "a model declares at least one kind of identifier", hint)
        declared = self._declared()
        for section, check in _CHECKS.items():
            for name, shape in self.shapes[section].items():
                yield from check(name, shape, declared)
        yield from tag_rules.check_all(self.shapes["tag_rules"])

    def _time_zone_faults(self) -> Iterator[Fault]:
        if "time_zone" in self.data:
            try:
                self.time_zone = _ADAPTERS["time_zone"].validate_python(self.data["time_zone"])
            except ValidationError as error:
                yield from shape_faults(("time_zone",), TimeZone, self.data["time_zone"], error)

    def _entries(self, section: str) -> dict[Any, Any]:
        """The entries of a section as written, by name or number; none if it is no such thing."""
        entries = self.data.get(section)
        if section == "tag_rules":
            return dict(enumerate(entries)) if isinstance(entries, list) else {}
        return entries if isinstance(entries, dict) else {}

    def _shape_faults(self, section: str) -> Iterator[Fault]:
        value = self.data.get(section, NOTHING)
        expected: tuple[type, str] = (dict, "a mapping of names")
        if section == "tag_rules":
            expected = (list, "a list of rules, each beginning with '-'")
        if value is not NOTHING and not isinstance(value, expected[0]):
            yield Fault((section,), f"expected {expected[1]}, found {found(value)}")
        for name, entry in self._entries(section).items():
            wrong = name_fault(name) if isinstance(name, str) else ""
            if wrong:
                yield Fault((section, name), wrong)
            try:
                self.shapes[section][name] = _ADAPTERS[section].validate_python(entry)
            except ValidationError as error:
                shape = NAMED.get(section, tag_rules.TagRuleShape)
                yield from shape_faults((section, name), shape, entry, error)

    def _declared(self) -> Declared:
        shapes = self.shapes
        types = {
            name: shapes["attributes"][name].type if name in shapes["attributes"] else None
            for name in self._entries("attributes")
        }
        properties = {
            name: frozenset(shapes["events"][name].properties) if name in shapes["events"] else None
            for name in self._entries("events")
        }
        return Declared(
            identifiers=frozenset(self._entries("identifiers")),
            purposes=frozenset(self._entries("purposes")),
            attributes={**types, TAG: "set"},
            computed=frozenset(
                name for name, shape in shapes["attributes"].items() if shape.is_ is not None
            ),
            events=properties,
            groups={
                name: shapes["event_groups"].get(name) for name in self._entries("event_groups")
            },
        )


def _build(reading: _Reading, files: Mapping[str, str]) -> Model:
    shapes = reading.shapes
    declared = {name: attributes.build(name, shape) for name, shape in shapes["attributes"].items()}
    parts: dict[str, Any] = {
        "identifiers": {
            name: identifiers.build(name, shape, rank)
            for rank, (name, shape) in enumerate(shapes["identifiers"].items())
        },
        "purposes": {name: purposes.build(name, one) for name, one in shapes["purposes"].items()},
        "attributes": {**declared, TAG: Attribute(TAG, "set")},
        "events": {name: events.build(name, one) for name, one in shapes["events"].items()},
        "event_groups": shapes["event_groups"],
        "tag_rules": tuple(tag_rules.build(one) for one in shapes["tag_rules"].values()),
        "scores": {name: scores.build(one) for name, one in shapes["scores"].items()},
        "tiers": {name: tiers.build(one) for name, one in shapes["tiers"].items()},
        "segments": {name: segments.build(name, one) for name, one in shapes["segments"].items()},
        "actions": {name: actions.build(one) for name, one in shapes["actions"].items()},
        "sources": {name: sources.build(name, one) for name, one in shapes["sources"].items()},
    }
    return Model(
        time_zone=ZoneInfo(reading.time_zone),
        **parts,
        text=dict(files),
        not_yet=keys_not_yet(parts),
    )
