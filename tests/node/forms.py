"""How schemathesis is to send forms that are no JSON: as they are. Loaded by SCHEMATHESIS_HOOKS."""

import schemathesis


@schemathesis.serializer("application/toml", "application/vnd.tieout.batch")
def as_it_is(_context: object, value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
