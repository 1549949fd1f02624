"""The breaks of a day, found by a full outer join in SQL, written from the rules alone.

Nothing of the project's reading, comparing or printing is used: DuckDB reads the files, values are
compared as HUGEINT, DATE and text, and printed by SQL. Only the parsed agreement is shared.

For field i and role r the column `v<i>_<r>` is the text in the file, `x<i>_<r>` the value and
`c<i>_<r>` its currency; `b` in the place of r is the benchmark.
"""

from pathlib import Path

import duckdb

from tieout.agreement.model import NUMBERS, Agreement, Field, FieldType, Policy

Row = tuple[str, ...]


def joined_breaks(folder: Path, agreement: Agreement, files: dict[int, str]) -> list[Row]:
    """The rows of the breaks file, in its order. `files` has the file of each role."""
    with duckdb.connect(config={"threads": 1}) as database:
        for role in range(len(agreement.roles)):
            database.execute(_table(folder, agreement, role, files.get(role)))
        database.execute(_join(agreement))
        database.execute(_values(agreement))
        database.execute(_benchmarks(agreement))
        parts = [_whole_records(agreement)]
        for index, field in enumerate(agreement.fields):
            parts += [_blanks(agreement, index, field), _mismatches(agreement, index, field)]
        listed = " UNION ALL ".join(part for part in parts if part)
        names = "id, kind, field, role, reported, benchmark, basis, difference, status"
        rows = database.execute(
            f"SELECT {names} FROM ({listed}) ORDER BY id, field_place, role_place"
        ).fetchall()
    return [tuple(row) for row in rows]


def _table(folder: Path, agreement: Agreement, role: int, file: str | None) -> str:
    """One row for each id that the role states: the first that stands in its file."""
    columns = ["transaction_id", *(f.name for f in agreement.fields if role in f.roles)]
    if file is None:
        nothing = ", ".join(f'NULL::VARCHAR AS "{name}"' for name in columns)
        return f"CREATE TABLE t{role} AS SELECT {nothing}, TRUE AS states WHERE FALSE"
    types = ", ".join(f"'{name}': 'VARCHAR'" for name in columns)
    return f"""
        CREATE TABLE t{role} AS
        SELECT *, TRUE AS states FROM (
            SELECT *, row_number() OVER () AS line FROM read_csv(
                '{folder / file}', header = TRUE, delim = ',', quote = '"', escape = '"',
                columns = {{{types}}}, nullstr = '', auto_detect = FALSE))
        QUALIFY row_number() OVER (PARTITION BY transaction_id ORDER BY line) = 1"""


def _join(agreement: Agreement) -> str:
    roles = range(len(agreement.roles))
    ids = ", ".join(f"t{role}.transaction_id" for role in roles)
    columns = [f"coalesce({ids}) AS id"]
    columns += [f"coalesce(t{role}.states, FALSE) AS states{role}" for role in roles]
    columns += [
        f't{role}."{field.name}" AS v{index}_{role}'
        for index, field in enumerate(agreement.fields)
        for role in field.roles
    ]
    joins = ["t0"]
    for role in roles[1:]:
        before = ", ".join(f"t{each}.transaction_id" for each in range(role))
        joins.append(f"t{role} ON t{role}.transaction_id = coalesce({before})")
    return f"CREATE TABLE day AS SELECT {', '.join(columns)} FROM {' FULL OUTER JOIN '.join(joins)}"


def _values(agreement: Agreement) -> str:
    columns = ["*"]
    for index, field in enumerate(agreement.fields):
        for role in field.roles:
            holder = field.currency_field
            currency = "''" if holder is None else f"coalesce(v{holder}_{role}, '')"
            columns.append(f"{_value(field, f'v{index}_{role}')} AS x{index}_{role}")
            columns.append(f"{currency} AS c{index}_{role}")
    return f"CREATE TABLE valued AS SELECT {', '.join(columns)} FROM day"


def _value(field: Field, text: str) -> str:
    """A printed value as what it is compared as."""
    if field.type in NUMBERS:
        return f"CAST(replace({text}, '.', '') AS HUGEINT)"
    if field.type is FieldType.DATE:
        return f"CAST({text} AS DATE)"
    if field.type is FieldType.TIME:
        return f"CAST(replace({text}, 'Z', '') AS TIMESTAMP)"
    return text


def _benchmarks(agreement: Agreement) -> str:
    columns = ["*"]
    for index, field in enumerate(agreement.fields):
        columns += [f"{_benchmark(index, field, letter)} AS {letter}{index}_b" for letter in "vxc"]
    return f"CREATE TABLE judged AS SELECT {', '.join(columns)} FROM valued"


def _benchmark(index: int, field: Field, letter: str) -> str:
    """R-BENCH-1 to R-BENCH-3; NULL where there is none."""
    if field.policy is Policy.DECISION:
        return f"CASE WHEN FALSE THEN {letter}{index}_{field.roles[0]} END"
    if field.authority is not None:
        return f"{letter}{index}_{field.authority}"
    stated = " + ".join(f"(v{index}_{role} IS NOT NULL)::INT" for role in field.roles)
    whens = []
    for role in field.roles:
        same = " + ".join(
            f"coalesce(x{index}_{each} = x{index}_{role} AND c{index}_{each} = c{index}_{role},"
            " FALSE)::INT"
            for each in field.roles
        )
        whens.append(f"WHEN 2 * ({same}) > {stated} THEN {letter}{index}_{role}")
    return f"CASE {' '.join(whens)} END"


def _whole_records(agreement: Agreement) -> str:
    """R-MISS-1, R-OPEN-1."""
    opened = " OR ".join(f"states{role}" for role in agreement.opened_by) or "TRUE"
    return " UNION ALL ".join(
        f"""SELECT id, CASE WHEN {opened} THEN 'missing' ELSE 'unexpected' END AS kind, '' AS field,
            '{name}' AS role, '' AS reported, '' AS benchmark, '' AS basis, '' AS difference,
            'open' AS status, -1 AS field_place, {role} AS role_place
        FROM judged WHERE CASE WHEN {opened} THEN NOT states{role} ELSE states{role} END"""
        for role, name in enumerate(agreement.roles)
    )


def _blanks(agreement: Agreement, index: int, field: Field) -> str:
    """R-MISS-2."""
    if field.optional:
        return ""
    return " UNION ALL ".join(
        f"""SELECT id, 'missing', '{field.name}', '{agreement.roles[role]}', '', '', '', '', 'open',
            {index}, {role} FROM judged WHERE states{role} AND v{index}_{role} IS NULL"""
        for role in field.roles
    )


def _mismatches(agreement: Agreement, index: int, field: Field) -> str:
    """R-MATCH-1 to R-MATCH-3."""
    if not field.compare:
        return ""
    apart = [
        f"NOT {_within(index, field, str(one), str(two))}"
        for one in field.roles
        for two in field.roles
        if one < two
    ]
    any_apart = f"coalesce({' OR '.join(apart)}, FALSE)" if apart else "FALSE"
    basis = "majority" if field.authority is None else agreement.roles[field.authority]
    same = {
        role: f"v{index}_b IS NOT NULL AND c{index}_{role} = c{index}_b" for role in field.roles
    }
    return " UNION ALL ".join(
        f"""SELECT id, 'mismatch', '{field.name}', '{agreement.roles[role]}', v{index}_{role},
            coalesce(v{index}_b, ''), CASE WHEN v{index}_b IS NULL THEN '' ELSE '{basis}' END,
            CASE WHEN {same[role]} THEN {_difference(index, field, role)} ELSE '' END,
            CASE WHEN v{index}_b IS NULL THEN 'undecided' ELSE 'open' END, {index}, {role}
        FROM judged WHERE v{index}_{role} IS NOT NULL AND CASE WHEN v{index}_b IS NULL
            THEN {any_apart} ELSE NOT {_within(index, field, str(role), "b")} END"""
        for role in field.roles
    )


def _within(index: int, field: Field, one: str, two: str) -> str:
    """R-MATCH-4, R-TOL-1 to R-TOL-5; NULL where one of the two states no value."""
    a, b = f"x{index}_{one}", f"x{index}_{two}"
    ways = [f"{a} = {b}"]
    if field.type is FieldType.DATE:
        ways.append(f"abs(date_diff('day', {a}, {b})) <= {field.drift_after}")
    tolerance = field.tolerance
    if tolerance is not None:
        needs = []
        if tolerance.absolute is not None:
            needs.append(f"abs({a} - {b}) <= {tolerance.absolute}::HUGEINT")
        if tolerance.percent_units is not None:
            base = f"greatest(abs({a}), abs({b}))"
            if tolerance.of is not None:
                base = f"CASE WHEN c{index}_{tolerance.of} = c{index}_{one}"
                base = f"coalesce({base} THEN abs(x{index}_{tolerance.of}) END, 0)"
            units = 100 * 10**tolerance.percent_scale
            limit = f"{base} * {tolerance.percent_units}::HUGEINT"
            needs.append(f"({base} > 0 AND abs({a} - {b}) * {units}::HUGEINT <= {limit})")
        ways.append(f"({(' AND ' if tolerance.within_all else ' OR ').join(needs)})")
    either = f"{a} IS NOT NULL AND {b} IS NOT NULL"
    same = f"c{index}_{one} = c{index}_{two} AND ({' OR '.join(ways)})"
    return f"CASE WHEN {either} THEN {same} END"


def _difference(index: int, field: Field, role: int) -> str:
    """Reported − benchmark as text."""
    a, b = f"x{index}_{role}", f"x{index}_b"
    if field.type in NUMBERS:
        return _decimal(f"({a} - {b})", field.scale)
    if field.type is FieldType.DATE:
        return f"CAST(date_diff('day', {b}, {a}) AS VARCHAR)"
    if field.type is FieldType.TIME:
        seconds = _decimal(f"(epoch_us({a})::HUGEINT - epoch_us({b}))", 6)
        return f"regexp_replace({seconds}, '[.]?0+$', '')"
    return "''"


def _decimal(value: str, scale: int) -> str:
    digits = f"abs({value})::VARCHAR"
    padded = f"lpad({digits}, {scale + 1}, '0')"
    digits = f"(CASE WHEN strlen({digits}) > {scale} THEN {digits} ELSE {padded} END)"
    sign = f"CASE WHEN {value} < 0 THEN '-' ELSE '' END"
    if scale == 0:
        return f"{sign} || {digits}"
    return f"{sign} || {digits}[:-{scale + 1}] || '.' || {digits}[-{scale}:]"
