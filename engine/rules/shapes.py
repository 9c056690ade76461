"""How texts of one shape are built: without the parser, from the second text on.

What the parser does depends on the types of the tokens alone, and so do the limits on depth and
length; the values of literals and names matter only to the methods of build.py. So:
1. The first text of a shape is parsed, and each node that is built remembers which method made it
   of which parts (`Recorder`).
2. Those steps, over the places of tokens instead of the tokens, are the shape's recipe.
3. A later text of the same types of tokens goes through the recipe: the same methods are called
   with the same parts in the same order.
Whatever is wrong with a text, the parser finds and says.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

from lark import Token

__all__ = ["LONGEST", "Recorder", "Shapes"]

# Tokens of the longest text that has a recipe; beyond it, lists of literals are what makes a
# text long, and each is a shape of its own.
LONGEST = 512
# Tokens of all recipes together: a token costs some 100 bytes, so they take about 6 MB.
_ALL_TOKENS = 1 << 16

_Method = Callable[[list[Any]], Any]
# The method of each step, with the places of its parts: tokens first, then what the steps before
# gave; -1 stands for an optional part that is not there.
_Recipe = tuple[tuple[_Method, tuple[int, ...]], ...]


class _Made:
    """What a method of the builder gave, and of what."""

    __slots__ = ("method", "parts", "value")

    def __init__(self, method: _Method, parts: list[Any]) -> None:
        self.method = method
        self.parts = parts
        self.value: Any = method([part.value if type(part) is _Made else part for part in parts])


class Recorder:
    """A builder for the parser whose nodes remember how they were made."""

    def __init__(self, builder: object) -> None:
        self._builder = builder

    def __getattr__(self, rule: str) -> Callable[[list[Any]], _Made]:
        method: _Method = getattr(self._builder, rule)
        return lambda parts: _Made(method, parts)


class Shapes:
    """The recipes of the shapes that were used last. Safe to use from any thread."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._recipes: OrderedDict[tuple[str, ...], _Recipe] = OrderedDict()
        self._token_count = 0

    def build(self, start: str, tokens: Sequence[Token]) -> Any:
        """The node of a text whose shape has a recipe; None where it has none.

        Raises Misread where a method does: the text has a fault then, and this may not be the
        first one.
        """
        shape = (start, *[token.type for token in tokens])
        with self._guard:
            recipe = self._recipes.get(shape)
            if recipe is None:
                return None
            self._recipes.move_to_end(shape)
        made: list[Any] = [*tokens]
        for method, places in recipe:
            made.append(method([None if at < 0 else made[at] for at in places]))
        return made[-1]

    def learn(self, start: str, tokens: Sequence[Token] | None, root: Any) -> Any:
        """The node at the root of what a Recorder made of a text; its recipe is kept, unless the
        text has no `tokens` to remember it by."""
        assert type(root) is _Made
        if tokens is None:
            return root.value
        recipe = _recipe_of(tokens, root)
        shape = (start, *[token.type for token in tokens])
        with self._guard:
            if shape not in self._recipes:
                self._token_count += len(shape)
            self._recipes[shape] = recipe
            while self._token_count > _ALL_TOKENS:
                self._token_count -= len(self._recipes.popitem(last=False)[0])
        return root.value


def _recipe_of(tokens: Sequence[Token], root: _Made) -> _Recipe:
    """The steps that made a node, in the order that the parser took them."""
    places = {id(token): place for place, token in enumerate(tokens)}
    steps: list[tuple[_Method, tuple[int, ...]]] = []
    waiting: list[tuple[_Made, bool]] = [(root, False)]
    while waiting:
        made, ready = waiting.pop()
        if not ready:
            waiting.append((made, True))
            waiting.extend((p, False) for p in reversed(made.parts) if type(p) is _Made)
            continue
        parts = (-1 if part is None else places[id(part)] for part in made.parts)
        steps.append((made.method, tuple(parts)))
        places[id(made)] = len(tokens) + len(steps) - 1
    return tuple(steps)
