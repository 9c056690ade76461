"""Invoice lines made up at random, in the shape of the Online Retail set.

They lean on what real lines seldom have: prices with three digits, customers with nothing but
returns, several countries, times around the days on which the clocks of the zone change.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

__all__ = ["ZONE", "write_lines"]

# In 2011 its clocks skipped the first hour of 16 October, and showed the last of 19 February
# twice: one day without a midnight, and one after two.
ZONE = "America/Sao_Paulo"

CUSTOMERS = 900
HEADER = [
    "InvoiceNo", "StockCode", "Description", "Quantity",
    "InvoiceDate", "UnitPrice", "CustomerID", "Country",
]  # fmt: skip
COUNTRIES = ["United Kingdom"] * 8 + [
    "Germany", "France", "EIRE", "Spain", "Switzerland", "Finland", "Unspecified",
]  # fmt: skip
PRODUCTS = [
    "WHITE METAL LANTERN", "RED RETROSPOT BAG", "JUMBO BAG PINK", "SET OF 6 T-LIGHTS",
    "CHILD'S MUG", "50% OFF_BAG", "红色灯笼", "茶杯 (大)", 'BOX "VINTAGE"', "postage",
]  # fmt: skip
PRICES = ["0.0", "0.42", "0.85", "1.25", "2.1", "2.55", "4.255", "7.95", "0.001", "12.345", "165.0"]
CHANGES = [datetime(2011, 2, 20, 2), datetime(2011, 10, 16, 3)]
FIRST, LAST = datetime(2010, 12, 1, 8, 26), datetime(2011, 12, 9, 12, 50)


def write_lines(path: Path, seed: int) -> None:
    """Writes a gzipped CSV of invoice lines of some hundred customers."""
    rng = Random(seed)
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for customer in range(12_000, 12_000 + CUSTOMERS):
            writer.writerows(_lines_of(customer, rng))


def _lines_of(customer: int, rng: Random) -> Iterator[list[str]]:
    home = rng.sample(COUNTRIES, 2)
    returns_only = rng.random() < 0.05
    for invoice in range(rng.choice([1, 1, 1, 2, 2, 3, 4, 6, 10, 14])):
        is_return = returns_only or rng.random() < 0.15
        number = f"{'C' if is_return else ''}{customer * 100 + invoice}"
        moment = _moment(rng).strftime("%Y-%m-%d %H:%M:%S")
        country = home[rng.random() < 0.1]
        for _ in range(rng.choice([1, 1, 2, 3, 5])):
            quantity = rng.choice([1, 2, 6, 12, 48, 100, 600]) * (-1 if is_return else 1)
            owner = "" if rng.random() < 0.1 and not returns_only and invoice else str(customer)
            yield [
                number, str(rng.randint(10_000, 99_999)), rng.choice(PRODUCTS), str(quantity),
                moment, rng.choice(PRICES), owner, country,
            ]  # fmt: skip


def _moment(rng: Random) -> datetime:
    if rng.random() < 0.3:
        return rng.choice(CHANGES) + timedelta(minutes=rng.choice([-60, -30, -1, 0, 1, 30, 60]))
    return FIRST + timedelta(minutes=rng.randint(0, int((LAST - FIRST).total_seconds()) // 60))
