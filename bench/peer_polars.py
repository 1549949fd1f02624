"""The peer in data frames: a full join in polars that writes the same breaks file.

Run as a whole process: `python -m bench.peer_polars SELLER REGISTRAR BANK OUT`, with the threads in
POLARS_MAX_THREADS. The same rules as `peer_duckdb.py`, on the same plan: typed reading with exact
decimals, full join, equality sorts out the bulk, the rules run over what is left.
"""

import sys
from functools import reduce
from operator import and_

import polars as pl

SCALES = {"amount": 2, "shares": 4, "nav": 4, "fee": 2}
DATES = ("trade_date", "settle_date")
FIELDS = ("fund", "currency", "amount", "shares", "nav", "fee", "trade_date", "settle_date")
TOLERANCES = {"amount": pl.lit("0.01"), "shares": pl.lit("0.0001")}
AUTHORITY = {"amount": "b", "shares": "r", "nav": "r"}
MONEY = ("amount", "fee")
ROLES = {"s": "seller", "r": "registrar", "b": "bank"}
PAIRS = (("s", "r"), ("s", "b"), ("r", "b"))

SCHEMA: dict[str, pl.DataType] = {
    "transaction_id": pl.String(),
    "fund": pl.String(),
    "currency": pl.String(),
    **{name: pl.Decimal(18, scale) for name, scale in SCALES.items()},
    **dict.fromkeys(DATES, pl.Date()),
}
TEXT = pl.lit(None, dtype=pl.String)


def table(short: str, path: str) -> pl.LazyFrame:
    """One party's file with its types stated, its columns named after the role."""
    frame = pl.scan_csv(path, schema=SCHEMA)
    named = frame.rename({field: f"{short}_{field}" for field in FIELDS})
    return named.with_columns(pl.lit(value=True).alias(f"{short}_on"))


def candidates(paths: list[str]) -> pl.DataFrame:
    """The transactions that are not stated alike, field by field, by all three."""
    seller, registrar, bank = (table(x, path) for x, path in zip(ROLES, paths, strict=True))
    joined = seller.join(registrar, on="transaction_id", how="full", coalesce=True)
    joined = joined.join(bank, on="transaction_id", how="full", coalesce=True)
    alike = reduce(
        and_,
        [
            (pl.col(f"s_{field}") == pl.col(f"r_{field}"))
            & (pl.col(f"r_{field}") == pl.col(f"b_{field}"))
            for field in FIELDS
        ],
    )
    return joined.filter(~alike.fill_null(value=False)).collect(engine="streaming")


def value(short: str, field: str) -> pl.Expr:
    """A role's value of a field."""
    return pl.col(f"{short}_{field}")


def alike(field: str, one: str, two: str) -> pl.Expr:
    """Exact equality of two roles' values, currency included; false where one is blank."""
    equal = (value(one, field) == value(two, field)).fill_null(value=False)
    if field in MONEY:
        equal &= value(one, "currency").eq_missing(value(two, "currency"))
    return equal


def ties(
    field: str, one: pl.Expr, two: pl.Expr, one_currency: pl.Expr, two_currency: pl.Expr
) -> pl.Expr:
    """Whether two values tie out; null where one is blank."""
    if field in TOLERANCES:
        limit = TOLERANCES[field].cast(pl.Decimal(18, SCALES[field]))
        tie = (one - two).abs() <= limit
    else:
        tie = one == two
    if field in MONEY:
        tie &= one_currency.eq_missing(two_currency)
    return tie


def pair_ties(field: str, x: str, y: str) -> pl.Expr:
    """Whether two roles tie out with each other; true where one is blank."""
    blank = value(x, field).is_null() | value(y, field).is_null()
    currencies = value(x, "currency"), value(y, "currency")
    return blank | ties(field, value(x, field), value(y, field), *currencies)


def stated_by(field: str) -> pl.Expr:
    """Who states the benchmark: s, r, b or null."""
    if field in AUTHORITY:
        role = AUTHORITY[field]
        return pl.when(value(role, field).is_not_null()).then(pl.lit(role))
    return (
        pl.when(alike(field, "s", "r") | alike(field, "s", "b"))
        .then(pl.lit("s"))
        .when(alike(field, "r", "b"))
        .then(pl.lit("r"))
        .when(value("r", field).is_null() & value("b", field).is_null())
        .then(pl.lit("s"))
        .when(value("s", field).is_null() & value("b", field).is_null())
        .then(pl.lit("r"))
        .when(value("s", field).is_null() & value("r", field).is_null())
        .then(pl.lit("b"))
    )


def of_role(field: str, column: str) -> pl.Expr:
    """A column of the role that states the benchmark."""
    by = pl.col("by")
    return (
        pl.when(by == "s")
        .then(value("s", column))
        .when(by == "r")
        .then(value("r", column))
        .when(by == "b")
        .then(value("b", column))
        .alias("agreed" if column == field else "agreed_currency")
    )


def mismatches(frame: pl.DataFrame, number: int, field: str) -> list[pl.DataFrame]:
    """Rows of one field, for each role outside tolerance."""
    tied = reduce(and_, [pair_ties(field, x, y) for x, y in PAIRS])
    currency = [] if field == "currency" else [of_role(field, "currency")]
    judged = frame.with_columns(stated_by(field).alias("by"), tied.alias("tied")).with_columns(
        of_role(field, field), *currency
    )
    decided = pl.col("by").is_not_null()
    agreed = pl.col("agreed")
    agreed_currency = pl.col("agreed" if field == "currency" else "agreed_currency")
    rows = []
    for place, (x, role) in enumerate(ROLES.items()):
        stated = value(x, field)
        tie = ties(field, stated, agreed, value(x, "currency"), agreed_currency)
        off = pl.when(decided).then(~tie).otherwise(~pl.col("tied"))
        difference = TEXT
        if field in SCALES:
            difference = (stated - agreed).cast(pl.String)
        elif field in DATES:
            difference = (stated - agreed).dt.total_days().cast(pl.String)
        if field in MONEY:
            alike_currency = value(x, "currency").eq_missing(agreed_currency)
            difference = pl.when(alike_currency).then(difference)
        basis = ROLES[AUTHORITY[field]] if field in AUTHORITY else "majority"
        rows.append(
            judged.filter(stated.is_not_null() & off).select(
                "transaction_id",
                pl.lit("mismatch").alias("kind"),
                pl.lit(field).alias("field"),
                pl.lit(role).alias("role"),
                stated.cast(pl.String).alias("reported"),
                agreed.cast(pl.String).alias("benchmark"),
                pl.when(decided).then(pl.lit(basis)).alias("basis"),
                difference.alias("difference"),
                pl.when(decided)
                .then(pl.lit("open"))
                .otherwise(pl.lit("undecided"))
                .alias("status"),
                pl.lit(number).alias("field_place"),
                pl.lit(place).alias("place"),
            )
        )
    return rows


def missing(frame: pl.DataFrame) -> list[pl.DataFrame]:
    """Rows of absent records and of blank fields."""
    rows = []
    for place, (x, role) in enumerate(ROLES.items()):
        absent = pl.col(f"{x}_on").is_null()
        cases: list[tuple[int, str | None, pl.Expr]] = [(0, None, absent)]
        cases += [
            (number, field, ~absent & value(x, field).is_null())
            for number, field in enumerate(FIELDS, 1)
        ]
        for number, name, here in cases:
            rows.append(
                frame.filter(here).select(
                    "transaction_id",
                    pl.lit("missing").alias("kind"),
                    pl.lit(name, dtype=pl.String).alias("field"),
                    pl.lit(role).alias("role"),
                    TEXT.alias("reported"),
                    TEXT.alias("benchmark"),
                    TEXT.alias("basis"),
                    TEXT.alias("difference"),
                    pl.lit("open").alias("status"),
                    pl.lit(number).alias("field_place"),
                    pl.lit(place).alias("place"),
                )
            )
    return rows


def main(seller: str, registrar: str, bank: str, out: str) -> None:
    """Reconcile three files into `out`."""
    frame = candidates([seller, registrar, bank])
    rows = missing(frame)
    for number, field in enumerate(FIELDS, 1):
        rows += mismatches(frame, number, field)
    breaks = pl.concat(rows).sort("transaction_id", "field_place", "place")
    breaks.drop("field_place", "place").write_csv(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
