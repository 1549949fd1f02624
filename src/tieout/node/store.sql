-- What the node itself has to remember, beside the ledger. Times are microseconds UTC.

CREATE TABLE IF NOT EXISTS users (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    role        TEXT NOT NULL,
    password    TEXT,                      -- argon2id; NULL: signs in with tokens only
    person      TEXT UNIQUE,               -- party/person whose key signs for this user
    created_us  INTEGER NOT NULL,
    disabled    INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE IF NOT EXISTS identities (
    issuer  TEXT NOT NULL,                 -- who knows the user (OpenID Connect)
    subject TEXT NOT NULL,                 -- as whom; names change, and are given anew
    user    INTEGER NOT NULL UNIQUE REFERENCES users (id),
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS tokens (
    id           TEXT PRIMARY KEY,
    user         INTEGER NOT NULL REFERENCES users (id),
    label        TEXT NOT NULL,
    secret       TEXT NOT NULL,            -- argon2id
    scopes       TEXT NOT NULL,            -- permissions, separated by spaces
    created_us   INTEGER NOT NULL,
    expires_us   INTEGER NOT NULL,
    last_used_us INTEGER NOT NULL DEFAULT 0,
    revoked_us   INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE IF NOT EXISTS sessions (
    digest     BLOB PRIMARY KEY,           -- SHA-256 of the cookie
    user       INTEGER NOT NULL REFERENCES users (id),
    csrf       BLOB NOT NULL,              -- SHA-256 of the token against forged requests
    expires_us INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS links (
    digest     BLOB PRIMARY KEY,           -- SHA-256 of the one-time administrator link's secret
    expires_us INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    time_us INTEGER NOT NULL,
    who     TEXT NOT NULL,
    what    TEXT NOT NULL,
    about   TEXT NOT NULL,
    outcome TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS answers (
    user       INTEGER NOT NULL,
    key        TEXT NOT NULL,
    request    BLOB NOT NULL,              -- SHA-256 of method, path and body
    status     INTEGER NOT NULL,
    body       BLOB NOT NULL,
    created_us INTEGER NOT NULL,
    PRIMARY KEY (user, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_by_age ON answers (created_us);
