"""`python examples/demo/promote.py HOST:PORT PERSON...`: writes to a store that is being served.

1. Everybody named becomes CIO: one batch.
2. The first of them becomes a partner, too: another one.
3. A count that names the acknowledgement of the second waits until the data contain it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from strata.client import Client
from strata.updates import Update

HOT_LEADS = "segment('hot_lead')"


def main(address: str, people: Sequence[str]) -> None:
    """Sends both batches and says what became of them."""
    with Client(address) as client:
        before = client.count(HOT_LEADS).count
        promoted = [Update({"person": person}, {"title": "CIO"}) for person in people]
        ack = client.ingest_batch(promoted, source="demo")
        print(f"{ack.accepted} promoted: durable at offset {ack.offset}.")
        partner = Update({"person": people[0]}, added={"tag": ["partner"]})
        ack = client.ingest_batch([partner], source="demo")
        print(f"{ack.accepted} made a partner: durable at offset {ack.offset}.")
        after = client.count(HOT_LEADS, min_offset=ack.offset).count
        print(f"Hot leads at offset {ack.offset}: {after:,}. Before: {before:,}.")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
