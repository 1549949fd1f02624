"""CSV pages straight into rows, at the speed of the machine (a compiled loop).

The problem: a million rows of nine columns must not take longer to read than to sign and to sync.
A library that splits the file into columns of text takes most of that time before the first value
has been converted.

The model: one pass over the bytes, 64 at a time, finds the ends of values; each is converted at
once into its place in the row, eight bytes at a time. Only what is plain is taken here: one line,
quotes at most around a whole value, digits, fixed dates, ASCII or text of which it is known that
NFC leaves it alone. At the first row that is anything else the pass stops before it, and the
readable way (`csv_records`, `csv_rows`) says what it is; so this module has no errors and no
messages, and cannot disagree with the definition other than by taking too much. Every function here
is a narrowing of its readable twin: `number` of `values.plain_number` and `units.parse_scaled`,
`moment` of `units.parse_time`.

Indices are unsigned, so that eight byte loads become one. Nothing is allocated here. Words at the
end of a buffer reach into its slack, never further. Integers only; how it is compiled: `compiled`.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tieout.compiled import loops
from tieout.compiled.loops import entry, helper, inlined
from tieout.compiled.memory import high_bits, stop_bits, trailing_zeros

U64: Final = np.uint64

# What a column is to the pass. A date or time without fixed places is OTHER: never plain.
KINDS: Final = 8
SKIP, ID, NUMBER, DATE, TIME, CODE, TEXT, OTHER = range(KINDS)

# Rows of the array that has a column for each column of the file.
COLUMN_FACTS: Final = 5
KIND, SCALE, PLACE, WIDTH, BIT = range(COLUMN_FACTS)

# Places in the array of numbers that describe the form of a file.
FORM_NUMBERS: Final = 10
SEPARATOR, QUOTE, DECIMAL, THOUSANDS, PARENTHESES = range(5)
TRAILING_MINUS, SPACES, ZONE_KNOWN, ZONE_US, TIME_TAIL = range(5, FORM_NUMBERS)

# Places in the array of words that describe the dates of a file and, PLACES further on, its times.
# At GAP a T or a space may stand; EXPECTED, RANGE and MASK begin FORMAT_WORDS words each.
LENGTH, YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, GAP = range(8)
EXPECTED, RANGE, MASK, PLACES = 8, 11, 14, 17
FORMAT_WORDS: Final = 3
NOWHERE: Final = 255

# In the array of facts that do not change from row to row.
FACTS: Final = 6
ROW_BYTES, PRESENCE_AT, HASH_SEED, LONGEST_LINE, BATCH_ROWS, BATCH_HEAD = range(FACTS)

REACHED: Final = 2
"""Numbers that `scan_page` gives back beside its result."""


# One byte in all bytes of a word. NINE is 0x7F - 9: added to a byte, it shows in the high bit
# whether the byte is above nine.
_WORDS = (U64(byte * 0x0101010101010101) for byte in (0x80, 0x7F, 0x30, 0x76))
HIGHS, LOWS, ZEROS, NINE = _WORDS
U0, U1, U2, U3, U4, U6, U8, U10 = (U64(n) for n in (0, 1, 2, 3, 4, 6, 8, 10))
WINDOW: Final = U64(64)  # bytes that are looked at for stops at once
POWERS: Final = np.array([10**n for n in range(19)], np.int64)
NO_DAY: Final = -(1 << 40)
MAX_DIGITS: Final = 18

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Numbers = NDArray[np.int64]


@inlined
def word(data: Bytes, at: Any) -> Any:
    """Return eight bytes as a little-endian number."""
    value = U0
    for i in range(8):
        value |= U64(data[at + U64(i)]) << U64(8 * i)
    return value


@inlined
def put(data: Bytes, at: Any, value: Any, size: Any) -> None:
    """Write the lowest 1, 2, 4 or 8 bytes of a number."""
    for i in range(size):
        data[at + U64(i)] = np.uint8(value >> U64(8 * i))


@inlined
def first_flagged(flags: Any) -> Any:
    """Return the lowest byte whose high bit is set; 8 when none is."""
    return trailing_zeros(flags) >> U3


@inlined
def stops_from(data: Bytes, at: Any, separator: Any) -> Any:
    """Look at two windows of 64 bytes: (stops in the first, in the second, bytes from 0x7F on).

    A stop is a separator or a control character; bits are of the bytes in their order.
    """
    near = stop_bits(data, at, separator)
    far = stop_bits(data, at + WINDOW, separator)
    return near, far, high_bits(data, at, 0x7F) | high_bits(data, at + WINDOW, 0x7F)


@inlined
def next_stop(data: Bytes, view: Any, separator: Any) -> Any:
    """Take the next stop off a view: (where it stands, the view without it).

    A view is where its two windows begin, what `stops_from` gave there and was not taken yet, and
    all bytes from 0x7F on that were met. The caller knows that there is a stop.
    """
    origin, near, far, high = view
    while near | far == U0:
        origin += U2 * WINDOW
        near, far, more = stops_from(data, origin, separator)
        high |= more
    if near != U0:
        return origin + trailing_zeros(near), (origin, near & (near - U1), far, high)
    return origin + WINDOW + trailing_zeros(far), (origin, near, far & (far - U1), high)


@inlined
def has_odd(data: Bytes, at: Any, end: Any) -> Any:
    """Whether a byte is from 0x7F on; bytes behind `end` are looked at, and ignored."""
    while at < end:
        bits = high_bits(data, at, 0x7F)
        size = end - at
        if bits != U0 and (size >= WINDOW or trailing_zeros(bits) < size):
            return True
        at += WINDOW
    return False


@inlined
def quoted(data: Bytes, at: Any, quote: Any) -> Any:
    """Return where the next quote or control character stands, and bytes from 0x7F on before it.

    Or somewhat behind it.
    """
    high = U0
    while True:
        bits = stop_bits(data, at, quote)
        high |= high_bits(data, at, 0x7F)
        if bits != U0:
            return at + trailing_zeros(bits), high
        at += WINDOW


@inlined
def digits_ahead(w: Any) -> Any:
    """Return how many of a word's bytes are digits before the first that is none."""
    t = w ^ ZEROS
    return first_flagged((((t & LOWS) + NINE) | t) & HIGHS)


@inlined
def number_of(w: Any, count: Any) -> Any:
    """Return the number that the first `count` bytes, 1 to 8 digits, of a word write."""
    t = (w ^ ZEROS) << (U64(64) - (count << U3))
    t = t * U10 + (t >> U8)
    low = (t & U64(0x000000FF000000FF)) * U64(0x000F424000000064)
    high = ((t >> U64(16)) & U64(0x000000FF000000FF)) * U64(0x0000271000000001)
    return np.int64((low + high) >> U64(32))


@inlined
def digits(data: Bytes, at: Any, value: Any) -> Any:
    """Read on a number: (where it ends, value, digits read); the value is void above 18 digits."""
    total = np.int64(0)
    while True:
        w = word(data, at)
        count = digits_ahead(w)
        if count > U0:
            value = value * POWERS[np.int64(count)] + number_of(w, count)
            total += np.int64(count)
            at += count
        if count < U8 or total > MAX_DIGITS:
            return at, value, total


@inlined
def groups(data: Bytes, at: Any, end: Any, value: Any, mark: Any) -> Any:
    """Read on groups of a mark and three digits: (where they end or 0, value, digits read)."""
    total = 0
    while at < end and data[at] == mark:
        w = word(data, at + U1)
        if digits_ahead(w) != U3 or total > MAX_DIGITS:
            return U0, value, total
        value = value * 1000 + number_of(w, U3)
        total += 3
        at += U4
    return at, value, total


@inlined
def number(data: Bytes, at: Any, end: Any, scale: Any, form: Numbers) -> Any:
    """Return whether the value is a plain number of the scale, and the number."""
    minus = False
    if data[at] == 45:
        minus = True
        at += U1
    elif data[at] == 43:
        at += U1
    elif form[PARENTHESES] and data[at] == 40 and data[end - U1] == 41:
        minus = True
        at += U1
        end -= U1
    elif form[TRAILING_MINUS] and data[end - U1] == 45:
        minus = True
        end -= U1
    at, value, total = digits(data, at, np.int64(0))
    if form[THOUSANDS] and 0 < total < 4 and at < end and data[at] == form[THOUSANDS]:
        at, value, more = groups(data, at, end, value, form[THOUSANDS])
        total += more
        if at == U0:
            return False, value
    if at < end and data[at] == form[DECIMAL]:
        at, value, decimals = digits(data, at + U1, value)
        total += decimals
        scale -= decimals
    if at != end or total == 0 or scale < 0 or total + scale > MAX_DIGITS:
        return False, value
    value *= POWERS[scale]
    return True, -value if minus else value


@inlined
def two(data: Bytes, at: Any) -> Any:
    """Return the number that two digits write."""
    return (np.int64(data[at]) - 48) * 10 + np.int64(data[at + U1]) - 48


@inlined
def fits(data: Bytes, at: Any, formats: Words, of: Any) -> Any:
    """Whether every byte is a digit or the literal that the format has there."""
    wrong = U0
    for i in range(FORMAT_WORDS):
        t = (word(data, at + U64(8 * i)) ^ formats[of + EXPECTED + i]) & formats[of + MASK + i]
        wrong |= ((t & LOWS) + formats[of + RANGE + i]) | t
    if formats[of + GAP] != U64(NOWHERE):
        gap = data[at + formats[of + GAP]]
        wrong |= U0 if gap == 84 or gap == 32 else HIGHS  # noqa: PLR1714 - compiled as it stands
    return wrong & HIGHS == U0


@inlined
def day(data: Bytes, at: Any, formats: Words, of: Any) -> Any:
    """Return the days from 1970-01-01 to the date at the format's places, or NO_DAY."""
    y = two(data, at + formats[of + YEAR]) * 100 + two(data, at + formats[of + YEAR] + U2)
    m = two(data, at + formats[of + MONTH])
    d = two(data, at + formats[of + DAY])
    if y < 1 or m < 1 or m > 12 or d < 1:
        return np.int64(NO_DAY)
    if d > 28:
        leap = y % 4 == 0 and (y % 100 != 0 or y % 400 == 0)
        last = 30 + ((m + (m >> 3)) & 1)
        if m == 2:
            last = 29 if leap else 28
        if d > last:
            return np.int64(NO_DAY)
    march_year = U64(y - 1 if m < 3 else y)  # unsigned division is a multiplication
    leaps = march_year // U4 - march_year // U64(100) + march_year // U64(400)
    of_year = (153 * ((m + 9) % 12) + 2) // 5 + d - 1
    return np.int64(march_year * U64(365) + leaps) + of_year - 719468


@inlined
def moment(data: Bytes, at: Any, end: Any, form: Numbers, formats: Words) -> Any:
    """Return whether the value is a plain time, and its microseconds from 1970-01-01T00:00:00Z."""
    days = day(data, at, formats, PLACES)
    hour = two(data, at + formats[PLACES + HOUR])
    minute = two(data, at + formats[PLACES + MINUTE])
    second = np.int64(0)
    if formats[PLACES + SECOND] != U64(NOWHERE):
        second = two(data, at + formats[PLACES + SECOND])
    # An offset could lead out of the years 0001 to 9999; such days are not plain.
    if days < -719_000 or days > 2_932_000 or hour > 23 or minute > 59 or second > 59:
        return False, days
    time_us = ((days * 24 + hour) * 60 + minute) * 60_000_000 + second * 1_000_000
    at += formats[PLACES + LENGTH]
    if form[TIME_TAIL] and at < end and data[at] == 46:
        w = word(data, at + U1)
        count = digits_ahead(w)
        if count == U0 or count > U6:
            return False, days
        time_us += number_of(w, count) * POWERS[6 - np.int64(count)]
        at += U1 + count
    if at == end:
        return form[ZONE_KNOWN] != 0, time_us - form[ZONE_US]
    if not form[TIME_TAIL]:
        return False, days
    if data[at] == 90:
        return at + U1 == end, time_us
    return offset(data, at, end, time_us)


@inlined
def offset(data: Bytes, at: Any, end: Any, time_us: Any) -> Any:
    """Return whether ±hh:mm follows, and the time in UTC."""
    if end - at != U6 or (data[at] != 43 and data[at] != 45) or data[at + U3] != 58:
        return False, time_us
    if digits_ahead(word(data, at + U1)) != U2 or digits_ahead(word(data, at + U4)) != U2:
        return False, time_us
    hours = two(data, at + U1)
    minutes = two(data, at + U4)
    if hours > 23 or minutes > 59:
        return False, time_us
    shift_us = (hours * 60 + minutes) * 60_000_000
    return True, time_us + shift_us if data[at] == 45 else time_us - shift_us


@helper
def settled_text(data: Bytes, at: Any, end: Any) -> Any:
    """Whether the bytes are UTF-8 (RFC 3629) of characters that NFC leaves alone, and no others.

    They are U+0020 to U+007E, U+00A1 to U+02FF, U+3400 to U+9FFF, U+AC00 to U+D7A3, U+FF01 to
    U+FF5E; none of them is a control character, or white space other than U+0020.
    """
    while at < end:
        lead = np.int64(data[at])
        if 0x20 <= lead < 0x7F:
            at += U1
        elif 0xC2 <= lead <= 0xCB and at + U2 <= end:
            point = (lead & 0x1F) << 6 | np.int64(data[at + U1]) & 0x3F
            if data[at + U1] & 0xC0 != 0x80 or point < 0xA1:
                return False
            at += U2
        elif 0xE3 <= lead <= 0xEF and at + U3 <= end:
            second = np.int64(data[at + U1])
            third = np.int64(data[at + U2])
            point = (lead & 0x0F) << 12 | (second & 0x3F) << 6 | third & 0x3F
            if second & 0xC0 != 0x80 or third & 0xC0 != 0x80:
                return False
            if not (
                0x3400 <= point <= 0x9FFF or 0xAC00 <= point <= 0xD7A3 or 0xFF01 <= point <= 0xFF5E
            ):
                return False
            at += U3
        else:
            return False
    return True


@inlined
def letters(data: Bytes, at: Any, end: Any, rows: Bytes, to: Any) -> None:
    """Copy a text into zeroed bytes of a row."""
    while end - at >= U8:
        put(rows, to, word(data, at), 8)
        at += U8
        to += U8
    # The bytes behind may be another field's. Reading them, to write a whole word, would wait for
    # the words that were written there just now.
    w, rest = word(data, at), end - at
    if rest & U4:
        put(rows, to, w, 4)
        w >>= U64(32)
        to += U4
    if rest & U2:
        put(rows, to, w, 2)
        w >>= U64(16)
        to += U2
    if rest & U1:
        put(rows, to, w, 1)


@inlined
def is_marker(data: Bytes, at: Any, end: Any, markers: Bytes) -> Any:
    """Whether the value is one of the texts that mean blank: rows of a size and so many bytes."""
    for i in range(markers.shape[0]):
        if end - at == U64(markers[i, 0]):
            same = True
            for j in range(markers[i, 0]):
                same = same and data[at + U64(j)] == markers[i, 1 + j]
            if same:
                return True
    return False


@inlined
def has_two_spaces(data: Bytes, at: Any, end: Any) -> Any:
    """Whether two spaces follow each other."""
    while at + U1 < end:
        if data[at] == 32 and data[at + U1] == 32:
            return True
        at += U1
    return False


@inlined
def value(
    data: Bytes,
    at: Any,
    end: Any,
    odd: Any,
    c: Any,
    columns: Numbers,
    form: Numbers,
    formats: Words,
    rows: Bytes,
    to: Any,
) -> Any:
    """Convert the value of column `c` into its place; False when it is not plain."""
    kind = columns[KIND, c]
    if kind == NUMBER:
        plain, scaled = number(data, at, end, columns[SCALE, c], form)
        put(rows, to, U64(scaled), 8)
        return plain
    if kind == DATE:
        if end - at != formats[LENGTH] or not fits(data, at, formats, 0):
            return False
        days = day(data, at, formats, 0)
        put(rows, to, U64(days), 4)
        return days != NO_DAY
    if kind == TIME:
        if end - at < formats[PLACES + LENGTH] or not fits(data, at, formats, PLACES):
            return False
        plain, time_us = moment(data, at, end, form, formats)
        put(rows, to, U64(time_us), 8)
        return plain
    if kind == OTHER or end - at > U64(columns[WIDTH, c]) or (odd and kind == CODE):
        return False
    if kind != TEXT and (data[at] == 32 or data[end - U1] == 32):
        return False
    if odd and not settled_text(data, at, end):
        return False
    letters(data, at, end, rows, to)
    return True


@inlined
def cell(data: Bytes, at: Any, is_last: Any, form: Numbers, view: Any) -> Any:
    """Find a value: (where it begins, where it ends, where the next one begins or 0, the view).

    `view` is of the stops from `at` on, as `next_stop` takes them.
    """
    if data[at] == form[QUOTE]:
        at += U1
        end, high = quoted(data, at, form[QUOTE])
        if data[end] != form[QUOTE]:
            return at, end, U0, view
        pos = end + U1
        near, far, more = stops_from(data, pos, form[SEPARATOR])
        # Without the stop right behind the quote.
        view = (pos, near & ~U1, far, view[3] | high | more)
    else:
        end, view = next_stop(data, view, form[SEPARATOR])
        pos = end
    if is_last and data[pos] == 13:
        pos += U1
    if data[pos] != (10 if is_last else form[SEPARATOR]):
        return at, end, U0, view
    return at, end, pos + U1, view


@inlined
def record(
    data: Bytes,
    pos: Any,
    columns: Numbers,
    form: Numbers,
    formats: Words,
    markers: Bytes,
    rows: Bytes,
    base: Any,
) -> Any:
    """Convert one line into a row: (where the next line begins, presence); 0: it is not plain."""
    last = columns.shape[1] - 1
    presence = U0
    near, far, high = stops_from(data, pos, form[SEPARATOR])
    view = (pos, near, far, high)
    for c in range(last + 1):
        at, end, pos, view = cell(data, pos, c == last, form, view)
        if pos == U0:
            return U0, presence
        kind = columns[KIND, c]
        if kind == SKIP:
            continue
        if form[SPACES]:
            while at < end and data[at] == 32:
                at += U1
            while at < end and data[end - U1] == 32:
                end -= U1
            if form[SPACES] == 2 and has_two_spaces(data, at, end):
                return U0, presence
        if at == end or is_marker(data, at, end, markers):
            if kind == ID:
                return U0, presence
            continue
        to = base + U64(columns[PLACE, c])
        odd = view[3] != U0 and has_odd(data, at, end)
        if not value(data, at, end, odd, c, columns, form, formats, rows, to):
            return U0, presence
        if kind != ID:
            presence |= U1 << U64(columns[BIT, c])
    return pos, presence


@entry(
    loops.NUMBER,
    *(
        loops.FIXED_BYTES,
        loops.NUMBER,
        loops.NUMBER,
        loops.FIXED_TABLE,
        loops.FIXED_NUMBERS,
        loops.FIXED_WORDS,
        loops.FIXED_TABLE8,
    ),
    *(
        loops.FIXED_BYTES,
        loops.FIXED_WORDS,
        loops.BYTES,
        loops.NUMBER,
        loops.NUMBER,
        loops.NUMBER,
        loops.NUMBERS,
        loops.NUMBERS,
        loops.NUMBERS,
    ),
)
def scan_page(
    data: Bytes,
    start: Any,
    stop: Any,
    columns: Numbers,
    form: Numbers,
    formats: Words,
    markers: Bytes,
    template: Bytes,
    facts: Words,
    rows: Bytes,
    row: Any,
    row_end: Any,
    line: Any,
    lines: Numbers,
    starts: Numbers,
    reached: Numbers,
) -> Any:
    """Convert lines until the page ends, `row_end` is reached, or one is not plain.

    The five arrays are described by `csv_plan.plan_of`. Returns the rows so far, and writes where
    the next line begins and the last line taken into `reached`. `starts` counts from the row that
    is the first to be written; `lines` and `rows` count from the beginning.
    """
    pos, end = U64(start), U64(stop)
    first = row
    constants = word(template, facts[PRESENCE_AT])  # the presence of fields that are constant
    while pos < end and row < row_end:
        if data[pos] == 10 or (data[pos] == 13 and data[pos + U1] == 10):
            pos += U1 if data[pos] == 10 else U2
            line += 1
            continue
        base = U64(row) * facts[ROW_BYTES]
        for i in range(0, template.shape[0], 8):
            put(rows, base + U64(i), word(template, U64(i)), 8)
        after, presence = record(data, pos, columns, form, formats, markers, rows, base)
        if after == U0 or after - pos > facts[LONGEST_LINE]:
            break
        put(rows, base + facts[PRESENCE_AT], constants | presence, 8)
        line += 1
        lines[row] = line
        starts[row - first] = np.int64(pos)
        row += 1
        pos = after
    reached[0] = np.int64(pos)
    reached[1] = line
    return row
