"""Expressions and the SQL conditions that they mean, both written by hand.

The SQL follows docs/language.md: every predicate is two-valued, `coalesce(..., false)`, where
it reads a column that can be missing. The table is that of `Oracle`; the instant asked is
2011-12-09 12:50 in Greenwich.
"""

from __future__ import annotations

__all__ = ["PAIRS"]

_NOW = "TIMESTAMPTZ '2011-12-09 12:50:00+00'"

PAIRS: tuple[tuple[str, str], ...] = (
    # Categories: one string or none.
    ("country = 'Germany'", "coalesce(country = 'Germany', false)"),
    ("country != 'United Kingdom'", "coalesce(country <> 'United Kingdom', false)"),
    ("country <> 'United Kingdom'", "coalesce(country <> 'United Kingdom', false)"),
    ("not country = 'United Kingdom'", "country IS DISTINCT FROM 'United Kingdom'"),
    ("'EIRE' = country", "coalesce('EIRE' = country, false)"),
    ("country in ('France', 'EIRE', 'Atlantis')", "coalesce(country IN ('France', 'EIRE'), false)"),
    (
        "country not in ('United Kingdom', 'France')",
        "country IS NOT NULL AND country <> 'United Kingdom' AND country <> 'France'",
    ),
    ("country is missing", "country IS NULL"),
    ("country is not missing and country is present", "country IS NOT NULL"),
    ("country contains 'an'", "coalesce(country LIKE '%an%', false)"),
    ("country not contains 'an'", "coalesce(country NOT LIKE '%an%', false)"),
    ("country starts with 'S'", "coalesce(country LIKE 'S%', false)"),
    ("country not ends with 'm'", "coalesce(country NOT LIKE '%m', false)"),
    ("country != first_country", "coalesce(country <> first_country, false)"),
    ("not first_country = country", "coalesce(NOT (first_country = country), true)"),
    ("行业 in ('批发', '零售')", "coalesce(\"行业\" IN ('批发', '零售'), false)"),
    ("'礼品' != 行业 or \"行业\" is missing", "coalesce(\"行业\" <> '礼品', true)"),
    # Texts: parts and presence.
    ("favourite contains 'BAG'", "contains(favourite, 'BAG')"),
    ("favourite not contains 'bag'", "NOT contains(favourite, 'bag')"),
    ("favourite ends with 'G' or favourite starts with 'P'", "favourite SIMILAR TO '.*G|P.*'"),
    ("favourite contains '%'", "contains(favourite, '%')"),
    ("favourite contains ''''", "contains(favourite, chr(39))"),
    (
        "remark starts with '常客：' and not remark ends with '5 单'",
        "coalesce(starts_with(remark, '常客：'), false)"
        " AND NOT coalesce(remark LIKE '%5 单', false)",
    ),
    ("remark not contains '1'", "coalesce(NOT contains(remark, '1'), false)"),
    ("remark is missing", "remark IS NULL"),
    # Sets: missing is empty.
    ("countries = 'France'", "list_contains(countries, 'France')"),
    (
        "not countries in ('United Kingdom', 'Germany')",
        "NOT list_has_any(countries, ['United Kingdom', 'Germany'])",
    ),
    (
        "months in ('2010-12', '2011-12')",
        "array_to_string(months, ',') SIMILAR TO '.*201[01]-12.*'",
    ),
    (
        "months has all ('2011-10', '2011-11', '2011-10')",
        "list_contains(months, '2011-10') AND list_contains(months, '2011-11')",
    ),
    ("months ends with '-06'", "array_to_string(months, ',') LIKE '%-06%'"),
    (
        "months starts with '2010' and not months contains '1-0'",
        "array_to_string(months, ',') LIKE '%2010-%'"
        " AND array_to_string(months, ',') NOT LIKE '%1-0%'",
    ),
    ("months is missing", "len(months) = 0"),
    (
        "tag = '大客户' and not tag = 'often here'",
        "list_contains(tag, '大客户') AND NOT list_contains(tag, 'often here')",
    ),
    (
        "tag is present and not tag has all ('有退货', 'once')",
        "len(tag) > 0 AND NOT list_has_all(tag, ['有退货', 'once'])",
    ),
    # Booleans.
    ("returned", "returned"),
    ("not abroad", "abroad IS NOT TRUE"),
    ("abroad = false", "coalesce(abroad = false, false)"),
    ("abroad != true or abroad in (true)", "abroad IS NOT NULL"),
    ("returned = abroad", "coalesce(returned = abroad, false)"),
    ("true and not (false or abroad is missing)", "abroad IS NOT NULL"),
    # Ints.
    ("invoices >= 10", "invoices >= 10"),
    ("invoices > 4.5 and invoices <= 1e1", "invoices BETWEEN 5 AND 10"),
    ("quantity between -1_00 and 1_00.", "quantity >= -100 AND quantity <= 100"),
    ("quantity not between 100 and 1_000", "quantity < 100 OR quantity > 1000"),
    ("returned_units != 12", "coalesce(returned_units <> 12, false)"),
    ("not returned_units < 12", "coalesce(NOT returned_units < 12, true)"),
    ("invoices in (1, 2.0, 3.5)", "invoices IN (1, 2)"),
    (
        "returned_units not in (1, 2, 1)",
        "returned_units IS NOT NULL AND returned_units <> 1 AND returned_units <> 2",
    ),
    (
        "returned_units not between 5 and invoices",
        "returned_units IS NOT NULL AND (returned_units < 5 OR returned_units > invoices)",
    ),
    (
        "5 not between invoices and returned_units",
        "returned_units IS NOT NULL AND (5 < invoices OR 5 > returned_units)",
    ),
    # Decimals, exact whatever the scales and the digits.
    ("revenue > 5000", "revenue > 5000"),
    ("revenue = 0 or revenue < -.5", "revenue = 0 OR revenue < -0.5"),
    ("revenue >= 999.999999999999999999999999999999999", "revenue >= 1000"),
    ("revenue = 0.001 or revenue != 5000.00000001", "true"),
    (
        'revenue = "bonus points" or "bonus points" not between 1 and 100.00005',
        'revenue = "bonus points" OR "bonus points" < 1 OR "bonus points" > 100',
    ),
    ("refunds between 10.005 and 25.499", "coalesce(refunds BETWEEN 10.01 AND 25.49, false)"),
    ("refunds > returned_units", "coalesce(refunds > returned_units, false)"),
    # Sums: exact, left to right, missing where a part is.
    (
        "revenue - 100 * invoices > 0.5 * quantity + 3.75",
        "revenue - 100 * invoices > CAST(0.5 AS DECIMAL(2, 1)) * quantity + 3.75",
    ),
    ('40 * "bonus points" - 1.3 * revenue >= 0', '40 * "bonus points" - 1.3 * revenue >= 0'),
    ("revenue + refunds < 250", "coalesce(revenue + refunds < 250, false)"),
    ("revenue + refunds is missing", "refunds IS NULL"),
    ("0 * returned_units = 0", "returned_units IS NOT NULL"),
    (
        "-2 * invoices + quantity between 5 and 3 * invoices + 2 or false",
        "quantity - 2 * invoices >= 5 AND quantity - 2 * invoices <= 3 * invoices + 2",
    ),
    # Floats: with one on either side, both are doubles.
    ("mean_price < 2.5", "mean_price < CAST(2.5 AS DOUBLE)"),
    (
        "return_share = 0.5 or return_share in (1, 0.25)",
        "coalesce(return_share IN (CAST(0.5 AS DOUBLE), 1, CAST(0.25 AS DOUBLE)), false)",
    ),
    (
        "return_share not between 0.1 and 0.3",
        "coalesce(return_share < CAST(0.1 AS DOUBLE) OR return_share > CAST(0.3 AS DOUBLE), false)",
    ),
    ("mean_price > revenue", "mean_price > CAST(revenue AS DOUBLE)"),
    (
        "mean_price - 2 * return_share >= invoices",
        "coalesce(mean_price - CAST(2 AS DOUBLE) * return_share"
        " >= CAST(invoices AS DOUBLE), false)",
    ),
    (
        "mean_price + 0.1 != 2.55 and not mean_price != 1.25",
        "mean_price + CAST(0.1 AS DOUBLE) <> CAST(2.55 AS DOUBLE)"
        " AND mean_price = CAST(1.25 AS DOUBLE)",
    ),
    # Dates, and dates beside instants.
    ("first_day >= date '2011-03-01'", "first_day >= DATE '2011-03-01'"),
    (
        "return_day in (date '2011-10-17', date '2011-11-29')",
        "coalesce(return_day IN (DATE '2011-10-17', DATE '2011-11-29'), false)",
    ),
    (
        "return_day not between date '2011-02-01' and date '2011-10-31'",
        "coalesce(return_day NOT BETWEEN DATE '2011-02-01' AND DATE '2011-10-31', false)",
    ),
    ("return_day = first_day", "coalesce(return_day = first_day, false)"),
    ("return_day - first_day >= 30 days", "coalesce(return_day - first_day >= 30, false)"),
    ("last_seen < date '2011-10-16'", "last_seen < day_start(DATE '2011-10-16')"),
    (
        "first_day < first_seen and not return_day >= last_return",
        "day_start(first_day) < first_seen"
        " AND coalesce(NOT day_start(return_day) >= last_return, true)",
    ),
    ("first_day <= time '2011-02-19T00:00:00'", "first_day <= DATE '2011-02-19'"),
    ("first_day >= time '2011-02-19T00:00:00.000001'", "first_day >= DATE '2011-02-20'"),
    (
        "return_day > now - 100 days",
        f"coalesce(day_start(return_day) > {_NOW} - INTERVAL 2400 HOURS, false)",
    ),
    ("first_day + 36 hours > last_seen", "day_start(first_day) + INTERVAL 36 HOURS > last_seen"),
    # Instants, durations and now.
    (
        "last_seen >= time '2011-12-01T08:00:00+08:00'",
        "last_seen >= TIMESTAMPTZ '2011-12-01 00:00:00+00'",
    ),
    (
        "last_seen between time '2011-10-16T00:30:00' and time '2011-12-09T12:50:00Z'",
        f"last_seen >= local('2011-10-16 00:30:00') AND last_seen <= {_NOW}",
    ),
    ("last_seen >= now", f"last_seen = {_NOW}"),
    ("last_seen <= now - 30 days", f"last_seen <= {_NOW} - INTERVAL 720 HOURS"),
    (
        "now - last_return > 180 days",
        f"coalesce(last_return < {_NOW} - INTERVAL 4320 HOURS, false)",
    ),
    (
        "last_return + 2 weeks > now - 1 day",
        f"coalesce(last_return > {_NOW} - INTERVAL 360 HOURS, false)",
    ),
    (
        "last_seen - first_seen between 1 minute and 52 weeks",
        "last_seen BETWEEN first_seen + INTERVAL 1 MINUTE AND first_seen + INTERVAL 8736 HOURS",
    ),
    ("last_seen = first_seen", "last_seen = first_seen"),
    ("last_return != last_seen", "coalesce(last_return <> last_seen, false)"),
    (
        "last_seen - last_return < 0.5 * 9 days",
        "coalesce(last_return > last_seen - INTERVAL 108 HOURS, false)",
    ),
    ("last_return is missing and now is present", "last_return IS NULL"),
    # References.
    ("segment('vip')", "revenue > 5000 AND invoices >= 10"),
    (
        "not segment('lapsed') and invoices = 1",
        f"last_seen >= {_NOW} - INTERVAL 2160 HOURS AND invoices = 1",
    ),
    (
        "segment('returners abroad') or segment('vip')",
        "coalesce(abroad AND returned_units >= 5, false) OR (revenue > 5000 AND invoices >= 10)",
    ),
    ("list('contacted') and not list('strangers')", "customer % 7 = 0"),
    ("bucket('exp-42') < 2500", '"bucket exp-42" < 2500'),
    (
        "bucket('春节') between 5000 and 9999 and bucket('exp-42') != bucket('春节')",
        '"bucket 春节" >= 5000 AND "bucket exp-42" <> "bucket 春节"',
    ),
    ("0.5 * bucket('exp-42') + invoices > 2_500.25", '"bucket exp-42" + 2 * invoices > 5000.5'),
    # Logic, comments and blanks.
    (
        "not (country = 'EIRE' or not (returned and not (invoices < 3)))",
        "country IS DISTINCT FROM 'EIRE' AND returned AND invoices >= 3",
    ),
    (
        "invoices = 1 or invoices = 2 and returned or not revenue > 50",
        "invoices = 1 OR (invoices = 2 AND returned) OR revenue <= 50",
    ),
    (
        "NOT NOT abroad AND (quantity > 100 OR (tag = 'once'))",
        "coalesce(abroad, false) AND (quantity > 100 OR list_contains(tag, 'once'))",
    ),
    (
        "invoices > 2 -- not for the first\n  and revenue >-- whatever\t 'quoted'\n\t\n1_000\u3000",
        "invoices > 2 AND revenue > 1000",
    ),
)
