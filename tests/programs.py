"""Random expressions over a world, valid by construction, that lean on the values in it."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from tests.worlds import NOW_US, SCALES, TAGS, TYPES, World

__all__ = ["Programs"]

NUMBERS = [name for name, kind in TYPES.items() if kind in ("int", "decimal")]
FLOATS = [name for name, kind in TYPES.items() if kind == "float"]
COMPARES = ("=", "!=", "<", "<=", ">", ">=")


class Programs:
    """An endless source of expression texts for one world, from a seed."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._random = random.Random(f"{world.seed} {seed}")
        self._makers: list[tuple[Callable[[], str], int]] = [
            (self._number, 6),
            (self._number_in, 2),
            (self._between, 2),
            (self._sum, 3),
            (self._sum_in, 1),
            (self._float, 3),
            (self._float_sum, 2),
            (self._category, 4),
            (self._category_match, 2),
            (self._pair, 1),
            (self._set, 4),
            (self._sets, 2),
            (self._bool, 2),
            (self._moment, 4),
            (self._age, 2),
            (self._day, 3),
            (self._presence, 3),
            (self._text, 2),
            (self._call, 3),
        ]

    def expression(self, depth: int = 3) -> str:
        """One expression; the deeper, the rarer."""
        pick = self._random.random()
        if depth == 0 or pick < 0.35:
            return self._predicate()
        if pick < 0.5:
            return f"not ({self.expression(depth - 1)})"
        joiner = " and " if pick < 0.8 else " or "
        items = [self.expression(depth - 1) for _ in range(self._random.randint(2, 4))]
        return joiner.join(f"({item})" for item in items)

    def _predicate(self) -> str:
        makers, weights = zip(*self._makers, strict=True)
        return str(self._random.choices(makers, weights)[0]())

    # ------------------------------------------------------------------------- numbers

    def _stored(self, name: str) -> int:
        """A value near one in the world, or near a border."""
        values, _ = self._world.columns[name]
        near = int(values[self._random.randrange(self._world.rows)])
        return near + self._random.choice((0, 0, 0, 1, -1))

    def _literal(self, name: str) -> str:
        scale = SCALES.get(name, 0)
        value = Decimal(self._stored(name)).scaleb(-scale)
        if self._random.random() < 0.15:  # between two values that can be stored
            value += Decimal(5).scaleb(-scale - 1)
        if self._random.random() < 0.03:
            value = Decimal(10) ** 30 * self._random.choice((1, -1))
        return f"{value:f}"

    def _number(self) -> str:
        name = self._random.choice(NUMBERS)
        sides = [name, self._literal(name)]
        if self._random.random() < 0.2:
            sides.reverse()
        return f"{sides[0]} {self._random.choice(COMPARES)} {sides[1]}"

    def _number_in(self) -> str:
        name = self._random.choice(NUMBERS)
        count = self._random.choice((1, 2, 5, 12))
        literals = ", ".join(self._literal(name) for _ in range(count))
        return f"{name} {self._random.choice(('in', 'not in'))} ({literals})"

    def _between(self) -> str:
        name = self._random.choice(NUMBERS)
        low, high = sorted((Decimal(self._literal(name)), Decimal(self._literal(name))))
        word = self._random.choice(("between", "not between"))
        return f"{name} {word} {low:f} and {high:f}"

    def _sum(self) -> str:
        names = self._random.choices(NUMBERS, k=self._random.randint(2, 3))
        factors = [
            self._random.choice(("", "2 * ", "0.5 * ", "1.25 * ", "0 * ", "1e25 * ")) for _ in names
        ]
        left = factors[0] + names[0]
        for factor, name in zip(factors[1:], names[1:], strict=True):
            left += f" {self._random.choice('+-')} {factor}{name}"
        right = self._random.choice((self._literal(names[0]), self._random.choice(NUMBERS)))
        return f"{left} {self._random.choice(COMPARES)} {right}"

    def _sum_in(self) -> str:
        word = self._random.choice(("in", "not in"))
        value = self._random.choice(
            (
                "level + points",
                "price - cost",
                "bucket('z')",
                "2 * level - 0.5 * level",
                "level - level",
                "huge + 1e30 * level",
            )
        )
        numbers = [self._random.randint(-20, 9_000) for _ in range(self._random.choice((1, 9)))]
        return f"{value} {word} ({', '.join(map(str, numbers))}, 0, 1.5)"

    def _float(self) -> str:
        name = self._random.choice(FLOATS)
        values, _ = self._world.columns[name]
        value = float(values[self._random.randrange(self._world.rows)])
        literal = f"{Decimal(repr(value)):f}" if abs(value) < 1e30 and abs(value) > 1e-30 else "0"
        if self._random.random() < 0.25:
            return f"{name} {self._random.choice(('in', 'not in'))} ({literal}, 0.5, 60)"
        sides = [name, literal]
        if self._random.random() < 0.25:
            sides.reverse()
        return f"{sides[0]} {self._random.choice(COMPARES)} {sides[1]}"

    def _float_sum(self) -> str:
        left = self._random.choice(FLOATS)
        right = self._random.choice((*FLOATS, "price", "points", "exact", "level"))
        factor = self._random.choice(("", "", "0.1 * ", "3 * "))
        more = self._random.choice(("", "", "", " + 1", " - 0.5", " + cost"))
        return f"{left} {self._random.choice(COMPARES)} {factor}{right}{more}"

    # ------------------------------------------------------------------------- strings

    def _category(self) -> str:
        name, prefix, most = self._random.choice(
            (("city", "c", 22), ("town", "c", 26), ("code", "k", 710), ("serial", "s", 70_000))
        )
        pick = self._random.random()
        if pick < 0.5:
            literal = f"'{prefix}{self._random.randrange(most)}'"
            return f"{name} {self._random.choice(('=', '!='))} {literal}"
        count = self._random.choice((1, 3, 10))
        literals = ", ".join(f"'{prefix}{self._random.randrange(most)}'" for _ in range(count))
        return f"{name} {self._random.choice(('in', 'not in'))} ({literals})"

    def _category_match(self) -> str:
        name = self._random.choice(("city", "code", "serial"))
        how = self._random.choice(("contains", "starts with", "ends with"))
        word = self._random.choice((how, f"not {how}"))
        return f"{name} {word} '{self._random.choice(('1', 'c1', 'k', '33', 's', '', 'zz'))}'"

    def _pair(self) -> str:
        return f"city {self._random.choice(('=', '!='))} {self._random.choice(('town', 'city'))}"

    def _set(self) -> str:
        name = self._random.choice(("interests", "tag"))
        values = self._random.choices((*TAGS, "unknown"), k=3)
        return self._random.choice(
            (
                f"{name} = '{values[0]}'",
                f"{name} in ('{values[0]}', '{values[1]}')",
                f"{name} has all ('{values[0]}', '{values[2]}')",
                f"{name} contains 'e'",
                f"{name} starts with 'r'",
                f"{name} ends with 'n'",
            )
        )

    def _sets(self) -> str:
        pairs = [
            (self._random.choice(("interests", "tag")), self._random.choice(TAGS)) for _ in range(2)
        ]
        join = self._random.choice((" and ", " or "))
        return join.join(f"{name} = '{value}'" for name, value in pairs)

    def _bool(self) -> str:
        name = self._random.choice(("active", "vip"))
        return self._random.choice(
            (
                name,
                f"{name} = true",
                f"{name} != true",
                f"{name} = false",
                "active = vip",
                "active != vip",
                "true",
                "false",
            )
        )

    def _text(self) -> str:
        how = self._random.choice(("contains", "starts with", "ends with"))
        word = self._random.choice((how, f"not {how}"))
        needle = self._random.choice(
            ("价格", "trial", "a''b", "d", "", "价", "price 价格price 价格")
        )
        return f"remark {word} '{needle}'"

    # ------------------------------------------------------------------- dates and times

    def _moment(self) -> str:
        name = self._random.choice(("joined", "seen"))
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self._stored(name))
        op = self._random.choice(COMPARES)
        if self._random.random() < 0.3:
            amount, unit = self._random.choice(((1, "day"), (30, "days"), (36, "hours")))
            return f"{name} {op} now {self._random.choice('+-')} {amount} {unit}"
        return f"{name} {op} time '{at.isoformat()}'"

    def _age(self) -> str:
        op = self._random.choice(COMPARES)
        return self._random.choice(
            (
                f"now - joined {op} {self._random.randint(1, 400)} days",
                f"seen - joined {op} {self._random.randint(1, 4000)} hours",
                f"joined {op} seen",
                f"joined + 7 days {op} now",
            )
        )

    def _day(self) -> str:
        name = self._random.choice(("birthday", "signed"))
        day = date(1970, 1, 1) + timedelta(days=self._stored(name))
        op = self._random.choice(COMPARES)
        order = self._random.choice(("<", "<=", ">", ">="))
        start = datetime.fromtimestamp(NOW_US / 1_000_000, UTC) - timedelta(days=30)
        return self._random.choice(
            (
                f"{name} {op} date '{day}'",
                f"{name} in (date '{day}', date '2000-02-29')",
                f"birthday {op} signed",
                f"{name} {order} time '{start.isoformat()}'",
                f"{name} {order} now - 30 days",
                f"signed {order} joined",
            )
        )

    # ---------------------------------------------------------------------------- others

    def _presence(self) -> str:
        name = self._random.choice(list(TYPES))
        word = self._random.choice(("is present", "is missing", "is not missing"))
        if self._random.random() < 0.1:
            return f"price + points {word}"
        return f"{name} {word}"

    def _call(self) -> str:
        return self._random.choice(
            (
                "segment('rich')",
                "segment('local')",
                "list('some')",
                f"bucket('x') {self._random.choice(COMPARES)} {self._random.randint(-1, 10_001)}",
                f"bucket('y') + level < {self._random.randint(0, 10_000)}",
            )
        )
