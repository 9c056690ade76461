"""The files of one model brought together, section by section."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.errors import Issue
from engine.model.positions import KeyPath, Positions, key_text
from engine.model.written import NOTHING, Written
from engine.model.yaml_tree import Entry, ListNode, MapNode, Node, ScalarNode

__all__ = ["merge_files", "plain_data", "positions_of"]

# What a plain scalar says where it says nothing.
_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})


def merge_files(roots: Sequence[MapNode]) -> tuple[MapNode, list[tuple[str, Issue]]]:
    """One mapping with the sections of all files, and the keys that two files claim, by file.

    A section of named entries may be spread over files, and a list over files is joined in
    the order of the files. `identifiers` stays in one file, because its order is the order
    of trust, and so does a section that is a single value.
    """
    merged = MapNode(roots[0].file, roots[0].line)
    issues: list[tuple[str, Issue]] = []
    for root in roots:
        for key, entry in root.entries.items():
            before = merged.entries.get(key)
            if before is None:
                merged.entries[key] = Entry(entry.file, entry.line, _copy(entry.value))
            else:
                issues += _join(key, before, entry)
    return merged, issues


def _copy(node: Node) -> Node:
    """The collection itself anew, so that joining another file leaves the original alone."""
    if isinstance(node, MapNode):
        return MapNode(node.file, node.line, dict(node.entries))
    if isinstance(node, ListNode):
        return ListNode(node.file, node.line, list(node.items))
    return node


def _join(section: str, before: Entry, entry: Entry) -> list[tuple[str, Issue]]:
    into, more = before.value, entry.value
    if _says_nothing(more):
        return []
    if _says_nothing(into):
        before.value = _copy(more)
        return []
    if isinstance(into, ListNode) and isinstance(more, ListNode):
        into.items += more.items
        return []
    if section == "identifiers" or not (isinstance(into, MapNode) and isinstance(more, MapNode)):
        return [_claimed((section,), before, entry)]
    issues = []
    for key, value in more.entries.items():
        if key in into.entries:
            issues.append(_claimed((section, key), into.entries[key], value))
        else:
            into.entries[key] = value
    return issues


def _claimed(path: KeyPath, first: Entry, second: Entry) -> tuple[str, Issue]:
    hint = "keep one of them"
    if path == ("identifiers",):
        hint = "their order is the order of trust, so they stand in one file"
    issue = Issue(
        message=f"the key stands in two files, also in {first.file} on line {first.line}",
        where=f"{second.file}, {key_text(path)}",
        line=second.line,
        hint=hint,
    )
    return second.file, issue


def _says_nothing(node: Node) -> bool:
    return isinstance(node, ScalarNode) and not node.quoted and node.text in _NOTHING


def plain_data(node: Node) -> Any:
    """The node as dicts, lists, `Written` texts, and NOTHING where a value is missing."""
    if isinstance(node, MapNode):
        return {key: plain_data(entry.value) for key, entry in node.entries.items()}
    if isinstance(node, ListNode):
        return [plain_data(item) for item in node.items]
    return NOTHING if _says_nothing(node) else Written(node.text, quoted=node.quoted)


def positions_of(root: MapNode) -> Positions:
    """Where every key and list entry of the tree stood."""
    places: dict[KeyPath, tuple[str, int]] = {(): (root.file, root.line)}

    def walk(path: KeyPath, node: Node) -> None:
        if isinstance(node, MapNode):
            for key, entry in node.entries.items():
                places[*path, key] = (entry.file, entry.line)
                walk((*path, key), entry.value)
        elif isinstance(node, ListNode):
            for at, item in enumerate(node.items):
                places[*path, at] = (item.file, item.line)
                walk((*path, at), item)

    walk((), root)
    return Positions(places)
