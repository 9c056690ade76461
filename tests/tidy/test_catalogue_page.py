"""The page of the catalogue says what the example models and the tests have."""

from __future__ import annotations

from tests.catalogue_page import PAGE, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "write it anew: python -m tests.catalogue_page"
