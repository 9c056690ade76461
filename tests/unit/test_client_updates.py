"""Updates as the client sends them: what can be no value is refused by its name, and not sent."""

from __future__ import annotations

from typing import Any

import pytest

from strata.updates import Event, Update, update_message


@pytest.mark.parametrize("number", [-(1 << 63), -1, 0, (1 << 63) - 1])
def test_whole_numbers_have_64_bits(number: int) -> None:
    (sent,) = update_message(Update({"member": "m"}, {"size": number})).attributes
    assert sent.value.int_value == number


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        (1 << 63, ValueError, "size: 9223372036854775808 is beyond the 64 bits of a whole number"),
        (-(1 << 63) - 1, ValueError, "size: -9223372036854775809 is beyond the 64 bits"),
        (
            ["a"],
            TypeError,
            "size: ['a'] is no value of an attribute; the values of a set are a tuple",
        ),
        (1j, TypeError, "size: 1j is no value of an attribute"),
    ],
)
def test_what_is_no_value_is_refused_by_name(
    given: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        update_message(Update({"member": "m"}, {"size": given}))
    assert str(caught.value).startswith(message)
    with pytest.raises(kind) as caught:
        update_message(Update({"member": "m"}, events=[Event("order", {"size": given})]))
    assert str(caught.value).startswith(f"order.{message}")
