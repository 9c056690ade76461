"""What an edit changes, and what it may not change."""

from __future__ import annotations

import pytest

from engine.errors import ModelInvalid
from engine.model.definitions import Model
from engine.model.diff import ModelChange, diff, refuse_impossible
from engine.model.load import load_model

OLD = """\
identifiers: {phone: {}, member: {}}
attributes: {city: category, size: int, revenue: {type: decimal, scale: 2}}
events: {order: {properties: {amount: int, "a b": int}}, visit: }
segments: {vip: size > 3, all: 'true'}
tag_rules: [{tag: X, when: a}, {tag: Y, when: b}]
"""


def model(text: str) -> Model:
    return load_model({"m.yaml": text})[0]


def edited(old: str, new: str) -> Model:
    assert old in OLD
    return model(OLD.replace(old, new))


def test_the_first_model_adds_everything() -> None:
    assert diff(None, model(OLD)) == ModelChange(
        added=(
            "time_zone",
            "identifiers.phone",
            "identifiers.member",
            "attributes.city",
            "attributes.size",
            "attributes.revenue",
            "events.order",
            "events.visit",
            "tag_rules.X",
            "tag_rules.Y",
            "segments.vip",
            "segments.all",
        )
    )


def test_comments_and_order_of_attributes_change_nothing() -> None:
    new = edited("{city: category, size: int,", "{size: {type: int}, city: category,   # here\n")
    assert not diff(model(OLD), new)
    assert not diff(model(OLD), model(OLD + "# done\n"))
    assert not diff(model(OLD), model(OLD + "time_zone: UTC\n"))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("size > 3", "size > 4", ModelChange(changed=("segments.vip",))),
        ("all: 'true'", "a.b: 'true'", ModelChange(('segments."a.b"',), ("segments.all",))),
        ("{tag: X, when: a}, ", "", ModelChange(removed=("tag_rules.X",))),
        ("{tag: X, when: a}", "{tag: X, when: c}", ModelChange(changed=("tag_rules.X",))),
        (
            "phone: {}, member: {}",
            "member: {}, phone: {}",
            ModelChange(changed=("identifiers.member", "identifiers.phone")),
        ),
        ("segments", "time_zone: Asia/Tokyo\nsegments", ModelChange(changed=("time_zone",))),
    ],
)
def test_one_edit(old: str, new: str, expected: ModelChange) -> None:
    change = diff(model(OLD), edited(old, new))
    assert change == expected
    assert change
    refuse_impossible(model(OLD), edited(old, new))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "size: int",
            "size: float",
            "attributes.size: the type changes from int to float, and the store holds values of "
            "the old one (declare a new attribute and load it, then drop this one)",
        ),
        (
            "scale: 2",
            "scale: 3",
            "attributes.revenue: the type changes from decimal with scale 2 to decimal with "
            "scale 3, and the store holds values of the old one "
            "(declare a new attribute and load it, then drop this one)",
        ),
        (
            "city: category, ",
            "",
            "attributes.city: the key is gone from the model, and the store holds its values "
            "(put it back, or say that its values are to be dropped)",
        ),
        (
            ", visit: ",
            "",
            "events.visit: the key is gone from the model, and the store holds its events "
            "(put it back, or say that its events are to be dropped)",
        ),
        (
            "{amount: int, ",
            "{amount: float, ",
            "events.order.properties.amount: the type changes from int to float, and the store "
            "holds values of the old one (declare a new property and load it, then drop this one)",
        ),
        (
            ', "a b": int',
            "",
            'events.order.properties."a b": the key is gone from the model, and the store holds '
            "its values (put it back, or say that its values are to be dropped)",
        ),
        (
            "phone: {}, ",
            "",
            "identifiers.phone: the key is gone from the model, and the store holds its values "
            "(put it back, or say that its values are to be dropped)",
        ),
    ],
)
def test_data_that_an_edit_would_lose(old: str, new: str, expected: str) -> None:
    with pytest.raises(ModelInvalid) as caught:
        refuse_impossible(model(OLD), edited(old, new))
    assert [str(issue) for issue in caught.value.issues] == [expected]
    refuse_impossible(model(OLD), edited(old, new), holds_data=lambda key: False)
    refuse_impossible(None, edited(old, new))


def test_drop_allows_what_it_names() -> None:
    new = model("identifiers: {member: {}}\nattributes: {size: int}\n")
    with pytest.raises(ModelInvalid) as caught:
        refuse_impossible(model(OLD), new, drop={"attributes.city"})
    assert [issue.where for issue in caught.value.issues] == [
        "identifiers.phone",
        "attributes.revenue",
        "events.order",
        "events.visit",
    ]
    gone = {"attributes.city", "identifiers.phone", "attributes.revenue"}
    gone |= {"events.order", "events.visit"}
    refuse_impossible(model(OLD), new, drop=gone)
