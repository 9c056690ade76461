"""Comparisons bound: which operators two kinds of value have, and in which arithmetic.

Int, decimal, date, time and duration compare exactly, as one linear form against zero; with
a float on one side both are compared as doubles. Strings and booleans are equal or not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from engine.errors import ExpressionInvalid
from engine.model.definitions import TAG, Attribute
from engine.rules import tree
from engine.rules.bound import (
    AggregateSource,
    AttributeSource,
    BoundAnd,
    BoundBool,
    BoundCategory,
    BoundCategoryPair,
    BoundCompare,
    BoundConstant,
    BoundExpr,
    BoundFloatCompare,
    BoundFloatIn,
    BoundIn,
    BoundLater,
    BoundNot,
    BoundOr,
    BoundPresence,
    BoundSet,
    BoundText,
    BucketSource,
    DateStartSource,
    Op,
    ScoreSource,
    Source,
    StringTest,
)
from engine.rules.derived_comparisons import (
    band_between,
    band_order,
    equal_names,
    name_present,
    names_that,
)
from engine.rules.names import Scope, unknown
from engine.rules.types import (
    KIND_WORDS,
    Flag,
    Operand,
    Quantity,
    Strings,
    Word,
    sources,
    subtract,
)
from engine.rules.values import as_instant, bind_operand, nearest_double

__all__ = [
    "all_present",
    "bind_between",
    "bind_compare",
    "bind_has_all",
    "bind_in",
    "bind_match",
    "bind_presence",
]

_MIRRORED: dict[Op, Op] = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
# What is 0 of no events, where the rest is missing.
_NEVER_MISSING = frozenset({"count", "days", "distinct", "sum"})
# What is one string for each profile.
_ONE_STRING = frozenset({"category", "band", "tier"})
_TAGS = Attribute(TAG, "set")
# Passed by every string.
_ANY = StringTest("starts with", frozenset({""}))
_EXACT_INSTANT_HINT = "write a time, or a span of days with >= and <"


def bind_compare(node: tree.Compare, scope: Scope) -> BoundExpr:
    """`left op right`."""
    left, right = bind_operand(node.left, scope), bind_operand(node.right, scope)
    return _compare(left, node.op, right, node, scope)


def bind_between(node: tree.Between, scope: Scope) -> BoundExpr:
    """`value between low and high`; negated: all three present, and outside."""
    value = bind_operand(node.value, scope)
    low, high = bind_operand(node.low, scope), bind_operand(node.high, scope)
    if isinstance(value, Strings) and value.kind == "band":
        for end in (low, high):
            if not isinstance(end, Word):
                raise _mismatch(value, end, scope)
        low_word, high_word = _word(value, low, scope), _word(value, high, scope)
        return band_between(value, low_word, high_word, node.negated, node)
    if isinstance(value, Quantity):
        for end in (low, high):
            if {value.kind, end.kind} == {"date", "time"}:
                raise _date_against_time(end, "between", scope)
    elif not isinstance(value, Word):
        raise _refused(value, "between", node, scope)
    if not node.negated:
        at_least = _compare(value, ">=", low, None, scope)
        at_most = _compare(value, "<=", high, None, scope)
        return BoundAnd((at_least, at_most), node)
    below = _compare(value, "<", low, None, scope)
    above = _compare(value, ">", high, None, scope)
    if not all_present((low, high)):
        return BoundOr((below, above), node)
    # Either comparison alone would hold with the other's end missing.
    present = all_present((value, low, high))
    return BoundAnd((*present, BoundOr((below, above), None)), node)


def bind_in(node: tree.In, scope: Scope) -> BoundExpr:
    """`value in (...)`; negated: present, and equal to none."""
    value = bind_operand(node.value, scope)
    literals = [bind_operand(literal, scope) for literal in node.literals]
    match value:
        case Quantity(kind="float"):
            numbers = frozenset(
                nearest_double(_same_kind(value, literal, scope).form.constant)
                for literal in literals
            )
            return BoundFloatIn(value.in_doubles(), numbers, node.negated, node)
        case Quantity():
            values = frozenset(
                _same_kind(value, literal, scope).form.constant for literal in literals
            )
            return BoundIn(value.form, values, node.negated, node)
        case Flag():
            wanted = {_flag_literal(value, literal, scope) for literal in literals}
            if node.negated:
                wanted = {True, False} - wanted
            return _flag_in(value, wanted, node)
        case _:
            words = frozenset(_word(value, literal, scope) for literal in literals)
            operator: Literal["in", "not in"] = "not in" if node.negated else "in"
            _check_set_operator(value, operator, node, scope)
            return _tested(value, StringTest("in", words), node.negated, node, scope)


def bind_match(node: tree.Match, scope: Scope) -> BoundExpr:
    """`value contains | starts with | ends with 'text'`."""
    value = bind_operand(node.value, scope)
    if isinstance(value, (Quantity, Flag)):
        message = f"{_is(value, scope)}, and {node.how} reads strings"
        raise scope.faults.at(value.node, message, "a category, a set or a text fits here")
    _check_set_operator(value, f"not {node.how}" if node.negated else node.how, node, scope)
    test = StringTest(node.how, frozenset({node.text}))
    return _tested(value, test, node.negated, node, scope)


def bind_has_all(node: tree.HasAll, scope: Scope) -> BoundExpr:
    """`set has all (...)`."""
    value = bind_operand(node.value, scope)
    if not isinstance(value, Strings) or value.kind != "set":
        message = f"{_is(value, scope)}, and has all reads sets"
        raise scope.faults.at(value.node, message, "write = or in for a value that is only one")
    words = dict.fromkeys(
        _word(value, bind_operand(literal, scope), scope) for literal in node.literals
    )
    tests = [StringTest("in", frozenset({word})) for word in words]
    if len(tests) == 1:
        return _tested(value, tests[0], False, node, scope)
    return BoundAnd(tuple(_tested(value, test, False, None, scope) for test in tests), node)


def bind_presence(node: tree.Presence, scope: Scope) -> BoundExpr:
    """`value is present` or `is missing`: a value is there when all that it reads is."""
    value = bind_operand(node.value, scope)
    if isinstance(value, Strings) and value.read is None:
        outer = node if node.present else None
        there = name_present(value, outer)
        return there if node.present else BoundNot(there, node)
    items = all_present((value,))
    if _is_tag(value):
        given = scope.outer(node, "tag").given(_ANY)
        if given:
            items = (BoundOr((*items, *given), None),)
    if not items:
        return BoundConstant(node.present, node)
    outer = node if node.present else None
    present = _with_node(items[0], outer) if len(items) == 1 else BoundAnd(items, outer)
    return present if node.present else BoundNot(present, node)


# -------------------------------------------------------------------------- comparisons


def _compare(
    left: Operand, op: Op, right: Operand, node: tree.Expr | None, scope: Scope
) -> BoundExpr:
    match left, right:
        case Quantity(), Quantity():
            return _compare_quantities(left, op, right, node, scope)
        case Flag(), Flag():
            return _compare_flags(left, op, right, node, scope)
        case Word(), Word():
            if op not in ("=", "!="):
                raise _refused(left, op, node, scope)
            return BoundConstant((left.value == right.value) == (op == "="), node)
        case Word(), Strings():
            return _compare(right, _MIRRORED[op], left, node, scope)
        case Strings(), Word():
            return _compare_with_word(left, op, right, node, scope)
        case Strings(), Strings():
            return _compare_strings(left, op, right, node, scope)
        case _:
            raise _mismatch(left, right, scope)


def _compare_quantities(
    left: Quantity, op: Op, right: Quantity, node: tree.Expr | None, scope: Scope
) -> BoundExpr:
    kinds = {left.kind, right.kind}
    if kinds == {"date", "time"}:
        if op in ("=", "!="):
            raise _date_against_time(right, op, scope)
        left = as_instant(left, scope) if left.kind == "date" else left
        right = as_instant(right, scope) if right.kind == "date" else right
    elif kinds == {"number", "float"} or kinds == {"float"}:
        return BoundFloatCompare(left.in_doubles(), op, right.in_doubles(), node)
    elif len(kinds) != 1:
        raise _mismatch(left, right, scope)
    return BoundCompare(subtract(left.form, right.form), op, node)


def _compare_flags(
    left: Flag, op: Op, right: Flag, node: tree.Expr | None, scope: Scope
) -> BoundExpr:
    if op not in ("=", "!="):
        raise _refused(left, op, node, scope)
    if left.read is None:
        left, right = right, left
    if right.read is None:
        return _flag_in(left, {right.value == (op == "=")}, node)
    both = [
        BoundAnd((_flag_in(left, {value}, None), _flag_in(right, {other}, None)), None)
        for value in (True, False)
        for other in (value if op == "=" else not value,)
    ]
    return BoundOr(tuple(both), node)


def _compare_with_word(
    left: Strings, op: Op, right: Word, node: tree.Expr | None, scope: Scope
) -> BoundExpr:
    _check_choice(left, right, scope)
    if op in ("=", "!="):
        if op == "!=":
            _check_set_operator(left, op, node, scope)
        test = StringTest("in", frozenset({right.value}))
        return _tested(left, test, op == "!=", node, scope)
    if left.kind != "band":
        raise _refused(left, op, node, scope)
    return band_order(left, op, right.value, node)


def _compare_strings(
    left: Strings, op: Op, right: Strings, node: tree.Expr | None, scope: Scope
) -> BoundExpr:
    kinds = {left.kind, right.kind}
    if kinds <= _ONE_STRING and (left.read is None or right.read is None):
        if op not in ("=", "!="):
            raise _refused(left, op, node, scope)
        return equal_names(left, right, op == "!=", node)
    if left.kind != right.kind:
        raise _mismatch(left, right, scope)
    if left.kind != "category":
        message = f"{_is(left, scope)}, which is compared with strings only"
        raise scope.faults.at(right.node, message, "write the string in single quotes")
    if op not in ("=", "!="):
        raise _refused(left, op, node, scope)
    assert left.read is not None and right.read is not None, "a category is read"
    return BoundCategoryPair(left.read, right.read, op == "!=", node)


# -------------------------------------------------------------------------------- tests


def _tested(
    value: Strings | Word, test: StringTest, negated: bool, node: tree.Expr | None, scope: Scope
) -> BoundExpr:
    """Strings against a test; whether the kind has this operator."""
    if isinstance(value, Word):
        return BoundConstant(test.passes(value.value) != negated, node)
    if value.kind == "text" and test.how == "in":
        raise _refused(value, _operator_of(node), node, scope)
    if value.read is None:
        return names_that(lambda name: test.passes(name) != negated, value, node)
    if value.kind == "set":
        assert isinstance(value.read, Attribute), "no property of an event is a set"
        given = scope.outer(value.node, "tag").given(test) if _is_tag(value) else ()
        if given:
            return BoundOr((BoundSet(value.read, test, None), *given), node)
        return BoundSet(value.read, test, node)
    if value.kind == "text":
        assert test.how != "in", "texts are never compared as a whole"
        (needle,) = test.values
        if value.read.type == "category":  # which a text may be computed from
            return BoundCategory(value.read, test, negated, node)
        return BoundText(value.read, test.how, needle, negated, node)
    return BoundCategory(value.read, test, negated, node)


def _operator_of(node: tree.Expr | None) -> str:
    """What is written between a value and the strings that it is to equal."""
    match node:
        case tree.Compare(op=op):
            return op
        case tree.In(negated=negated):
            return "not in" if negated else "in"
        case _:
            return "="


def _flag_in(flag: Flag, wanted: set[bool], node: tree.Expr | None) -> BoundExpr:
    """A boolean that is present and one of `wanted`."""
    if flag.read is None:
        return BoundConstant(flag.value in wanted, node)
    if not wanted:
        return BoundConstant(False, node)
    if len(wanted) == 2:
        return BoundPresence(flag.read, node)
    return BoundBool(flag.read, True in wanted, node)


def _is_tag(value: Operand) -> bool:
    """Whether a value is the set of tags, to which rules may give."""
    return isinstance(value, Strings) and value.kind == "set" and value.read == _TAGS


def all_present(operands: tuple[Operand, ...]) -> tuple[BoundExpr, ...]:
    """That everything the operands read is there; each thing once."""
    items: dict[BoundExpr, None] = {}
    for operand in operands:
        if isinstance(operand, Quantity):
            items.update((_source_present(source), None) for source in sources(operand))
        elif isinstance(operand, (Strings, Flag)) and operand.read is not None:
            items[BoundPresence(operand.read, None)] = None
    items.pop(BoundConstant(True, None), None)
    return tuple(items)


def _source_present(source: Source) -> BoundExpr:
    match source:
        case AttributeSource(attribute) | DateStartSource(attribute):
            return BoundPresence(attribute, None)
        case BucketSource() | ScoreSource():
            return BoundConstant(True, None)
        case AggregateSource(aggregate) if aggregate.function in _NEVER_MISSING:
            return BoundConstant(True, None)
        case AggregateSource(aggregate):
            return BoundPresence(aggregate, None)


def _with_node(item: BoundExpr, node: tree.Expr | None) -> BoundExpr:
    assert isinstance(item, (BoundPresence, BoundLater, BoundOr)), "presence is of one of these"
    return replace(item, node=node)


# ------------------------------------------------------------------------------ refusals


def _same_kind(value: Quantity, literal: Operand, scope: Scope) -> Quantity:
    numbers = ("number", "float")
    if isinstance(literal, Quantity):
        if literal.kind == value.kind or (literal.kind in numbers and value.kind in numbers):
            return literal
        if {value.kind, literal.kind} == {"date", "time"}:
            raise _date_against_time(literal, "in", scope)
    raise _mismatch(value, literal, scope)


def _flag_literal(value: Flag, literal: Operand, scope: Scope) -> bool:
    if not isinstance(literal, Flag):
        raise _mismatch(value, literal, scope)
    return literal.value


def _word(value: Strings | Word, literal: Operand, scope: Scope) -> str:
    if not isinstance(literal, Word):
        raise _mismatch(value, literal, scope)
    if isinstance(value, Strings):
        _check_choice(value, literal, scope)
    return literal.value


def _check_choice(value: Strings, word: Word, scope: Scope) -> None:
    """A band or tier is compared with its own names only."""
    if value.kind in ("band", "tier") and word.value not in value.choices:
        hint = f"one of {', '.join(value.choices)}"
        raise unknown(
            scope.faults, word.node, value.kind, word.value, value.choices, otherwise=hint
        )


def _check_set_operator(
    value: Strings | Word, operator: str, node: tree.Expr | None, scope: Scope
) -> None:
    """A set has no negated operators: `tag != 'x'` has two readings."""
    if value.kind != "set" or not (operator == "!=" or operator.startswith("not ")):
        return
    name = scope.faults.fragment(value.node) or "tag"
    plain = "=" if operator == "!=" else operator.removeprefix("not ")
    example = f"{name} {plain} ('x')" if plain == "in" else f"{name} {plain} 'x'"
    message = f"{_is(value, scope)}, which has no {operator}"
    raise scope.faults.at(node or value.node, message, f"write not {example}")


def _date_against_time(right: Operand, operator: str, scope: Scope) -> ExpressionInvalid:
    message = f"a date is a whole day and a time an instant: {operator} does not compare them"
    return scope.faults.at(right.node, message, _EXACT_INSTANT_HINT)


def _refused(
    value: Operand, operator: str, node: tree.Expr | None, scope: Scope
) -> ExpressionInvalid:
    message = f"{_is(value, scope)}, which has no {operator}"
    match value.kind:
        case "text":
            hint = "a text has contains, starts with, ends with, is present and is missing"
        case "set":
            hint = "a set has =, in, has all, contains, starts with, ends with and presence"
        case "bool":
            hint = "a boolean stands alone, or with = true or = false"
        case "tier":
            hint = "tiers have no order: use = or in"
        case "band":
            hint = "bands have =, !=, in, between and order"
        case _:
            hint = "strings have no order: use =, in, contains, starts with or ends with"
    return scope.faults.at(node or value.node, message, hint)


def _mismatch(left: Operand, right: Operand, scope: Scope) -> ExpressionInvalid:
    """The error for two kinds that do not meet, placed at the literal where there is one."""
    if _is_literal(left) and not _is_literal(right):
        left, right = right, left
    message = f"{_is(left, scope)}, and {_is(right, scope)}"
    return scope.faults.at(right.node, message, _mismatch_hint(left, right))


def _is_literal(value: Operand) -> bool:
    return isinstance(value, Word) or (isinstance(value, Quantity) and value.literal)


def _mismatch_hint(left: Operand, right: Operand) -> str:
    expected = left.kind
    if expected in ("category", "set", "text", "band", "tier", "string"):
        return "expected a string, in single quotes"
    examples = {
        "number": "expected a number, without quotes",
        "float": "expected a number, without quotes",
        "date": "expected a date, such as date '2026-11-01'",
        "time": "expected a time, such as time '2026-11-01T08:00:00+08:00', or now - 7 days",
        "duration": "expected a duration, such as 30 days",
        "bool": "expected true or false",
    }
    return examples[expected]


def _is(value: Operand, scope: Scope) -> str:
    fragment = scope.faults.fragment(value.node)
    return f"{fragment or 'this'} is {KIND_WORDS[value.kind]}"
