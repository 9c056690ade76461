"""The listing of named records, in pages by number.

A commit rewrites the pages of the records that it changes and no others: with all in one, saving
a shard of an index of 100 million would write the names of 8,000 others, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from engine.store.directory import MetaListing

__all__ = ["RECORDS_PER_PAGE", "NamedRecords"]

# Numbers of one page: 5 KB for records of one part, written whole for each that changes. The root
# lists the pages, 24 bytes each, with every commit.
RECORDS_PER_PAGE = 128


class NamedRecords(Mapping[str, MetaListing]):
    """Name -> listing, as of one state; never changed. `pages` has page -> name -> listing."""

    __slots__ = ("_listings", "pages")

    def __init__(self, pages: Mapping[int, Mapping[str, MetaListing]]) -> None:
        """Raises ValueError where a name or a number comes twice, or stands in another page."""
        self.pages = {page: dict(listings) for page, listings in pages.items()}
        self._listings: dict[str, MetaListing] = {}
        for page, listings in pages.items():
            self._listings.update(listings)
            if any(_page_of(listing) != page for listing in listings.values()):
                raise ValueError("a named record in another page than its own")
            if len({listing.id for listing in listings.values()}) < len(listings):
                raise ValueError("two named records with one number")
        if sum(map(len, pages.values())) != len(self._listings):
            raise ValueError("two named records with one name")

    @classmethod
    def of(cls, listings: Mapping[str, MetaListing]) -> NamedRecords:
        """Listings that stood together."""
        pages: dict[int, dict[str, MetaListing]] = {}
        for name, listing in listings.items():
            pages.setdefault(_page_of(listing), {})[name] = listing
        return cls(pages)

    def __getitem__(self, name: str) -> MetaListing:
        return self._listings[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._listings)

    def __len__(self) -> int:
        return len(self._listings)

    def changed(self, changes: Mapping[str, MetaListing | None]) -> tuple[NamedRecords, set[int]]:
        """The listing with some records replaced, or removed where None, and the pages that are
        other ones then. A record keeps its number as long as its name."""
        after = NamedRecords.__new__(NamedRecords)
        after._listings, after.pages = dict(self._listings), dict(self.pages)
        touched = {_page_of(listing) for listing in self._concerned(changes)}
        after.pages.update((page, dict(self.pages.get(page, {}))) for page in touched)
        for name, listing in changes.items():
            before = after._listings.pop(name, None)
            if before is not None:
                del after.pages[_page_of(before)][name]
            if listing is not None:
                after._listings[name] = listing
                after.pages[_page_of(listing)][name] = listing
        return after, touched

    def _concerned(self, changes: Mapping[str, MetaListing | None]) -> Iterable[MetaListing]:
        for name, listing in changes.items():
            if listing is not None:
                yield listing
            if name in self._listings:
                yield self._listings[name]


def _page_of(listing: MetaListing) -> int:
    """The page that a listing stands in."""
    return listing.id // RECORDS_PER_PAGE
