"""The peer in SQL: a full outer join in DuckDB that writes the same breaks file.

Run as a whole process: `python -m bench.peer_duckdb SELLER REGISTRAR BANK OUT THREADS`. It knows
the rules of `fund-bench.toml` and nothing else: exact decimals, authority and majority benchmarks,
tolerances, missing records and fields, undecided fields. Equality sorts out the bulk right behind
the join; the rules run over what is left.
"""

import sys

import duckdb

NUMBERS = {"amount": (2, "0.01"), "shares": (4, "0.0001"), "nav": (4, None), "fee": (2, None)}
DATES = ("trade_date", "settle_date")
FIELDS = ("fund", "currency", "amount", "shares", "nav", "fee", "trade_date", "settle_date")
AUTHORITY = {"amount": "b", "shares": "r", "nav": "r"}
MONEY = ("amount", "fee")
ROLES = {"s": "seller", "r": "registrar", "b": "bank"}

TYPES = {
    "transaction_id": "VARCHAR",
    "fund": "VARCHAR",
    "currency": "VARCHAR",
    **{name: f"DECIMAL(18, {scale})" for name, (scale, _) in NUMBERS.items()},
    **dict.fromkeys(DATES, "DATE"),
}


def source(path: str) -> str:
    """The CSV file with its types stated, so that nothing is guessed."""
    types = ", ".join(f"'{name}': '{kind}'" for name, kind in TYPES.items())
    options = "header = true, auto_detect = false, delim = ','"
    return f"read_csv('{path}', {options}, columns = {{{types}}})"


def same(field: str, one: str, two: str) -> str:
    """Exact equality of two roles' values of a field, currency included."""
    equal = f"{one}_{field} = {two}_{field}"
    if field in MONEY:
        equal += f" AND {one}_currency IS NOT DISTINCT FROM {two}_currency"
    return f"({equal})"


def benchmark(field: str) -> tuple[str, str]:
    """Two SQL expressions: which role states the benchmark (s, r, b or NULL), and its basis."""
    if field in AUTHORITY:
        role = AUTHORITY[field]
        return f"CASE WHEN {role}_{field} IS NOT NULL THEN '{role}' END", ROLES[role]
    alone = " ".join(
        f"WHEN {one}_{field} IS NOT NULL AND {two}_{field} IS NULL AND {three}_{field} IS NULL"
        f" THEN '{one}'"
        for one, two, three in (("s", "r", "b"), ("r", "s", "b"), ("b", "s", "r"))
    )
    cases = (
        f"CASE WHEN {same(field, 's', 'r')} OR {same(field, 's', 'b')} THEN 's' "
        f"WHEN {same(field, 'r', 'b')} THEN 'r' {alone} END"
    )
    return cases, "majority"


def within(field: str, one: str, two: str, one_currency: str, two_currency: str) -> str:
    """Whether two values that are not NULL tie out."""
    tie = f"{one} = {two}"
    tolerance = NUMBERS.get(field, (0, None))[1]
    if tolerance is not None:
        tie = f"abs({one} - {two}) <= {tolerance}"
    if field in MONEY:
        tie += f" AND {one_currency} IS NOT DISTINCT FROM {two_currency}"
    return f"({tie})"


def verdict(field: str) -> tuple[str, str, str]:
    """Columns of one field, in three steps: who states the benchmark, its value, who is apart."""
    chosen, _ = benchmark(field)
    agreed = [
        f"CASE by_{field} " + " ".join(f"WHEN '{x}' THEN {x}_{column}" for x in ROLES) + " END"
        for column in (field, "currency")
    ]
    pairs = " AND ".join(
        f"({x}_{field} IS NULL OR {y}_{field} IS NULL OR "
        + within(field, f"{x}_{field}", f"{y}_{field}", f"{x}_currency", f"{y}_currency")
        + ")"
        for x, y in (("s", "r"), ("s", "b"), ("r", "b"))
    )
    apart = ", ".join(
        f"{x}_{field} IS NOT NULL AND CASE WHEN by_{field} IS NOT NULL THEN NOT "
        + within(field, f"{x}_{field}", f"a_{field}", f"{x}_currency", f"ac_{field}")
        + f" ELSE NOT tied_{field} END AS {x}_off_{field}"
        for x in ROLES
    )
    return (
        f"{chosen} AS by_{field}, {pairs} AS tied_{field}",
        f"{agreed[0]} AS a_{field}, {agreed[1]} AS ac_{field}",
        apart,
    )


def line(field_place: int, field: str | None, place: int, short: str, kind: str) -> str:
    """One row of the breaks file as a struct; its role is the one with this short name."""
    reported = benchmark_text = basis = difference = "CAST(NULL AS VARCHAR)"
    status = "'open'"
    if kind == "mismatch" and field is not None:
        value, decided = f"{short}_{field}", f"by_{field} IS NOT NULL"
        reported = f"CAST({value} AS VARCHAR)"
        benchmark_text = f"CAST(a_{field} AS VARCHAR)"
        basis = f"CASE WHEN {decided} THEN '{benchmark(field)[1]}' END"
        status = f"CASE WHEN {decided} THEN 'open' ELSE 'undecided' END"
        if field in NUMBERS or field in DATES:
            difference = f"CAST({value} - a_{field} AS VARCHAR)"
        if field in MONEY:
            same_currency = f"{short}_currency IS NOT DISTINCT FROM ac_{field}"
            difference = f"CASE WHEN {same_currency} THEN {difference} END"
    name = f"'{field}'" if field else "CAST(NULL AS VARCHAR)"
    return (
        f"{{'kind': '{kind}', 'field_place': {field_place}, 'field': {name}, 'place': {place},"
        f" 'role': '{ROLES[short]}', 'reported': {reported}, 'benchmark': {benchmark_text},"
        f" 'basis': {basis}, 'difference': {difference}, 'status': {status}}}"
    )


def lines() -> str:
    """Every row that a candidate can give, NULL where it does not."""
    cases = []
    for place, short in enumerate(ROLES):
        absent = f"{short}_id IS NULL"
        cases.append(f"CASE WHEN {absent} THEN {line(0, None, place, short, 'missing')} END")
        for number, field in enumerate(FIELDS, 1):
            blank = f"NOT {absent} AND {short}_{field} IS NULL"
            missing = line(number, field, place, short, "missing")
            apart = line(number, field, place, short, "mismatch")
            cases.append(
                f"CASE WHEN {blank} THEN {missing} WHEN {short}_off_{field} THEN {apart} END"
            )
    return f"[{', '.join(cases)}]"


def statement(paths: list[str], out: str) -> str:
    """The whole reconciliation as one statement."""
    columns = ", ".join(
        f"{short}.transaction_id AS {short}_id, "
        + ", ".join(f"{short}.{field} AS {short}_{field}" for field in FIELDS)
        for short in ROLES
    )
    equal = " AND ".join(f"s.{field} = r.{field} AND r.{field} = b.{field}" for field in FIELDS)
    steps = list(zip(*(verdict(field) for field in FIELDS), strict=True))
    return f"""
    COPY (
        WITH candidate AS (
            SELECT coalesce(s.transaction_id, r.transaction_id, b.transaction_id) AS transaction_id,
                {columns}
            FROM {source(paths[0])} s
            FULL JOIN {source(paths[1])} r ON s.transaction_id = r.transaction_id
            FULL JOIN {source(paths[2])} b
                ON coalesce(s.transaction_id, r.transaction_id) = b.transaction_id
            WHERE NOT coalesce({equal}, false)
        ),
        chosen AS (SELECT *, {", ".join(steps[0])} FROM candidate),
        agreed AS (SELECT *, {", ".join(steps[1])} FROM chosen),
        judged AS (SELECT *, {", ".join(steps[2])} FROM agreed),
        told AS (
            SELECT transaction_id, unnest(list_filter({lines()}, lambda x: x IS NOT NULL)) AS line
            FROM judged
        )
        SELECT transaction_id, line.kind, line.field, line.role, line.reported, line.benchmark,
            line.basis, line.difference, line.status
        FROM told
        ORDER BY transaction_id, line.field_place, line.place
    ) TO '{out}' (HEADER, DELIMITER ',')
    """


def main(seller: str, registrar: str, bank: str, out: str, threads: str) -> None:
    """Reconcile three files into `out`."""
    connection = duckdb.connect()
    connection.execute(f"SET threads = {int(threads)}")
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET enable_progress_bar = false")
    connection.execute(statement([seller, registrar, bank], out))


if __name__ == "__main__":
    main(*sys.argv[1:])
