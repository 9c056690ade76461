"""YAML text to a tree of nodes that remember their lines.

Every scalar stays the text that was written, so that `00000000000`, `no` and `2026-01-01`
are what the author sees; what a place wants (a number, true or false) is decided by that
place. The tree is built from parser events with a stack of our own:

1. a scalar or an alias becomes a value of the collection on top of the stack;
2. in a mapping the first of two values is the key: it must be text, and not there yet;
3. a finished collection becomes a value of the one below it.

An alias shares the node of its anchor. Each node knows how many nodes it holds when written
out, and how deep, so that a few lines of nested aliases cannot grow beyond the limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from engine.errors import Issue
from engine.limits import MODEL_DEPTH, MODEL_VALUES

__all__ = ["Entry", "ListNode", "MapNode", "Node", "ScalarNode", "read_yaml"]

_Loader: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# What YAML 1.1 calls not printable: controls, surrogates, and two that are no characters.
_UNREADABLE = re.compile(
    "[^\\t\\n\\r\\x20-\\x7e\\x85\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]"
)


@dataclass(slots=True)
class ScalarNode:
    """A text as written; `quoted` when quotes or a block mark say that it is text."""

    file: str
    line: int
    text: str
    quoted: bool
    size: int = 1
    height: int = 0


@dataclass(slots=True)
class ListNode:
    """A list."""

    file: str
    line: int
    items: list[Node] = field(default_factory=list)
    size: int = 1
    height: int = 1


@dataclass(slots=True)
class Entry:
    """A value of a mapping, with the place of its key."""

    file: str
    line: int
    value: Node


@dataclass(slots=True)
class MapNode:
    """A mapping in the order written; keys are texts."""

    file: str
    line: int
    entries: dict[str, Entry] = field(default_factory=dict)
    size: int = 1
    height: int = 1


Node = ScalarNode | ListNode | MapNode


class _Refused(Exception):
    """Reading the file cannot go on."""

    def __init__(self, message: str, line: int, hint: str = "", column: int = 0) -> None:
        super().__init__(message)
        self.issue = (message, line, hint, column)


def read_yaml(file: str, text: str) -> tuple[MapNode | None, list[Issue]]:
    """The root mapping of a file and every fault found in it.

    The mapping is None where the text could not be read to its end. Never raises for any
    text.
    """
    reader = _Reader(file)
    try:
        return reader.read(text), reader.issues
    except _Refused as refused:
        message, line, hint, column = refused.issue
        reader.fault(message, line, hint, column)
        return None, reader.issues


@dataclass(slots=True)
class _Open:
    """A collection that is not finished, and in a mapping the key that waits for its value."""

    node: ListNode | MapNode
    anchor: str | None
    key: ScalarNode | None = None


class _Reader:
    """The state of one pass over the events of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.issues: list[Issue] = []
        self.open: list[_Open] = []
        self.anchors: dict[str, Node | None] = {}
        self.root: Node | None = None
        self.seen_document = False

    def fault(self, message: str, line: int, hint: str = "", column: int = 0) -> None:
        self.issues.append(
            Issue(message=message, where=self.file, line=line, column=column, hint=hint)
        )

    def read(self, text: str) -> MapNode:
        text = text.removeprefix("\ufeff")
        for event in _events(text):
            self.take(event)
        if self.root is None or _is_empty(self.root):
            raise _Refused("the file is empty", 1, "a model declares at least identifiers")
        if not isinstance(self.root, MapNode):
            raise _Refused(
                f"expected keys with values, found {_kind(self.root)}",
                self.root.line,
                "a model file begins with a key such as 'attributes:'",
            )
        return self.root

    def take(self, event: yaml.Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.DocumentStartEvent):
            if self.seen_document:
                raise _Refused(
                    "a second document begins here", line, "a model file holds one document"
                )
            self.seen_document = True
        elif isinstance(event, yaml.AliasEvent):
            self.place(self.resolve(str(event.anchor), line), line)
        elif isinstance(event, yaml.ScalarEvent):
            self.refuse_tag(event.tag, line)
            node = ScalarNode(self.file, line, str(event.value), quoted=bool(event.style))
            self.name(event.anchor, node)
            self.place(node, line)
        elif isinstance(event, yaml.CollectionStartEvent):
            self.refuse_tag(event.tag, line)
            is_map = isinstance(event, yaml.MappingStartEvent)
            self.begin((MapNode if is_map else ListNode)(self.file, line), event.anchor)
        elif isinstance(event, yaml.CollectionEndEvent):
            done = self.open.pop()
            self.name(done.anchor, done.node)
            self.place(done.node, done.node.line)

    def begin(self, node: MapNode | ListNode, anchor: str | None) -> None:
        if len(self.open) >= MODEL_DEPTH:
            raise _Refused(f"nested deeper than {MODEL_DEPTH} levels", node.line)
        if anchor is not None:
            self.anchors[anchor] = None
        self.open.append(_Open(node, anchor))

    def name(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self.anchors[anchor] = node

    def resolve(self, anchor: str, line: int) -> Node:
        if anchor not in self.anchors:
            raise _Refused(
                f"'*{anchor}' refers to nothing",
                line,
                f"put '&{anchor}' before the value meant, or quote the text",
            )
        node = self.anchors[anchor]
        if node is None:
            raise _Refused(f"'*{anchor}' lies inside the value that it refers to", line)
        return node

    def refuse_tag(self, tag: str | None, line: int) -> None:
        if tag is not None:
            self.fault(f"the type mark '{tag}' is not allowed", line, "write the value without it")

    def place(self, node: Node, line: int) -> None:
        """Makes a finished node the next value of the collection it stands in."""
        if not self.open:
            self.root = node
            return
        around = self.open[-1]
        if isinstance(around.node, ListNode):
            around.node.items.append(node)
        elif around.key is None:
            around.key = self.as_key(node, line)
            return
        else:
            self.add_entry(around.node, around.key, node)
            around.key = None
        around.node.size += node.size
        around.node.height = max(around.node.height, node.height + 1)
        self.refuse_growth(around.node, line)

    def refuse_growth(self, node: Node, line: int) -> None:
        if node.size > MODEL_VALUES:
            raise _Refused(f"more than {MODEL_VALUES:,} values, aliases written out", line)
        if len(self.open) - 1 + node.height > MODEL_DEPTH:
            raise _Refused(f"nested deeper than {MODEL_DEPTH} levels, aliases written out", line)

    def as_key(self, node: Node, line: int) -> ScalarNode:
        if isinstance(node, ScalarNode):
            return ScalarNode(self.file, line, node.text, node.quoted)
        raise _Refused(
            f"a key must be a text, found {_kind(node)}", line, "quote it if a text was meant"
        )

    def add_entry(self, node: MapNode, key: ScalarNode, value: Node) -> None:
        first = node.entries.get(key.text)
        if first is None:
            node.entries[key.text] = Entry(self.file, key.line, value)
        else:
            self.fault(
                f"the key '{key.text}' stands twice, on line {first.line} and on line {key.line}",
                key.line,
                "keep one of them",
            )


def _kind(node: Node) -> str:
    if isinstance(node, MapNode):
        return "a mapping"
    return "a list" if isinstance(node, ListNode) else f"the text '{node.text[:40]}'"


def _is_empty(node: Node) -> bool:
    return isinstance(node, ScalarNode) and not node.quoted and not node.text


def _events(text: str) -> Iterator[yaml.Event]:
    """The parser's events, its errors turned into plain words."""
    _refuse_unreadable_characters(text)
    try:
        yield from yaml.parse(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise _plain_words(error, text) from None
    except yaml.YAMLError as error:
        raise _Refused(f"this is not YAML: {error}", 1) from None


def _refuse_unreadable_characters(text: str) -> None:
    found = _UNREADABLE.search(text)
    if found is not None:
        at = found.start()
        raise _Refused(
            f"the character U+{ord(found[0]):04X} cannot stand in a model file",
            text.count("\n", 0, at) + 1,
            "is this a text file in UTF-8?",
            at - text.rfind("\n", 0, at),
        )


def _plain_words(error: yaml.MarkedYAMLError, text: str) -> _Refused:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 0)
    problem = f"this is not YAML: {error.problem or error}"
    if error.context:
        problem += f", {error.context}"
    lines = text.splitlines()
    at = lines[line - 1][column - 1 :] if 0 < line <= len(lines) else ""
    if at.startswith("\t"):
        hint = "indent with spaces, not tabs"
    elif line > len(lines) or (line == len(lines) and not at.strip()):
        hint = "the file ends in the middle of something: is it complete?"
    elif at.startswith(":"):
        hint = "put a text that holds ': ' in quotes"
    elif at[:1] in ("@", "`", "%", "*", "&", "!"):
        hint = f"put a text that begins with '{at[:1]}' in quotes"
    else:
        hint = "look for a missing quote, bracket or colon on this line or just before it"
    return _Refused(problem, min(line, max(len(lines), 1)), hint, column)
