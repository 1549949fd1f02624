"""The settings of a node: one TOML file, of which every key is also an environment variable.

The environment wins over the file, the file over the defaults. `listen.port` of the file is
`TIEOUT_LISTEN_PORT` in the environment. Nothing is guessed: a key that does not exist, and a value
of another type, are refused by name. docs/node.md lists every key; a test compares.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from tieout.node.errors import SettingsError

PREFIX: Final = "TIEOUT_"

Port = Annotated[int, Meta(ge=0, le=65_535)]
Positive = Annotated[int, Meta(ge=1)]
Milliseconds = Annotated[int, Meta(ge=0, le=1_000)]
Seconds = Annotated[int, Meta(ge=1, le=86_400 * 365)]


class Listen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the node listens. Loopback unless somebody decides otherwise."""

    host: str = "127.0.0.1"
    port: Port = 8300
    public_url: str = ""
    """How people reach the node where a proxy stands before it; empty: as it listens."""
    behind_tls: bool = False
    """Whether a proxy speaks TLS: cookies are then marked Secure, and HSTS is told."""


class Storage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where things are kept."""

    ledger: str = "ledger"
    """Directory of the ledger, relative to the node's."""
    database: str = ""
    """URL of the read models: sqlite:///FILE or postgresql://…; empty: an SQLite file here."""
    follow: bool = True
    """Whether this node keeps the read models up; else `tieout projection follow` does."""


class Keys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The party's private keys."""

    passphrase_file: str = ""
    """File with the passphrase of sealed keys; empty: TIEOUT_KEYS_PASSPHRASE, or a prompt."""


class Publishing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How records are taken."""

    gather_ms: Milliseconds = 2
    """How long a single record waits for others to share its block."""
    max_bulk_bytes: Positive = 1 << 30
    """Largest body of a bulk request, unpacked."""
    tick_ms: Annotated[int, Meta(ge=50, le=60_000)] = 1_000
    """How often deadlines are looked at while nothing arrives."""


class Books(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The party's own books (docs/books.md), where a folder `books` describes any."""

    dry_run: bool = False
    """Whether it is only said in the log what would be confirmed and posted."""


class Access(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may do how much."""

    session_s: Seconds = 8 * 3_600
    """How long a person stays signed in."""
    token_days: Annotated[int, Meta(ge=1, le=3_650)] = 365
    """How long a token is good for where nothing else is asked."""
    rate: Annotated[int, Meta(ge=0)] = 20_000
    """Requests a second of one user, on average; 0: no limit."""
    rate_unknown: Annotated[int, Meta(ge=0)] = 50
    """The same of an address that has not said who it is."""


class Oidc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """People who sign in at an identity provider (OpenID Connect)."""

    issuer: str = ""
    """The provider, as it names itself in its tokens; empty: people have passwords here."""
    client_id: str = ""
    client_secret_file: str = ""
    """File with the secret of this node at the provider; empty: it has none, PKCE is enough."""
    scopes: str = "openid profile"
    name_claim: str = "preferred_username"
    person_claim: str = ""
    """Claim with the person on the ledger, party/person; empty: administrators say it here."""
    roles_claim: str = "groups"
    administrators: str = ""
    """What the claim has for those who are administrators; the same of the other roles."""
    approvers: str = ""
    operators: str = ""
    auditors: str = ""
    viewers: str = ""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a connection may cost."""

    body_idle_s: Annotated[int, Meta(ge=1, le=3_600)] = 15
    """A body that sends nothing for so long is cut."""
    connections: Annotated[int, Meta(ge=1, le=100_000)] = 4_000
    """Connections at a time."""
    stop_s: Annotated[int, Meta(ge=1, le=3_600)] = 20
    """How long requests under way may take to end when the node is stopped."""


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the node says about itself, on standard error."""

    level: Annotated[str, Meta(pattern="^(debug|info|warning|error)$")] = "info"
    format: Annotated[str, Meta(pattern="^(json|text)$")] = "json"
    requests: bool = False
    """Whether each request is told: method, route, status, time; never ids or values."""


class Telemetry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Traces of what the node does, for who wants them."""

    endpoint: Annotated[str, Meta(pattern="^(https?://.+)?$")] = ""
    """Where they are sent (OTLP over HTTP); empty: there are none."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings, by section."""

    listen: Listen = Listen()
    storage: Storage = Storage()
    keys: Keys = Keys()
    publishing: Publishing = Publishing()
    books: Books = Books()
    access: Access = Access()
    oidc: Oidc = Oidc()
    limits: Limits = Limits()
    log: Log = Log()
    telemetry: Telemetry = Telemetry()


SECTIONS: Final[dict[str, type[msgspec.Struct]]] = {
    "listen": Listen,
    "storage": Storage,
    "keys": Keys,
    "publishing": Publishing,
    "books": Books,
    "access": Access,
    "oidc": Oidc,
    "limits": Limits,
    "log": Log,
    "telemetry": Telemetry,
}


def variables() -> dict[str, tuple[str, str]]:
    """Every environment variable, with the section and key that it stands for."""
    return {
        f"{PREFIX}{section}_{key}".upper(): (section, key)
        for section, kind in SECTIONS.items()
        for key in kind.__struct_fields__
    }


def load_settings(path: Path, environment: Mapping[str, str]) -> Settings:
    """The settings of a node's file and of the environment. Raises SettingsError."""
    try:
        stated: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(
            str(path), "there is no such file; make one with `tieout node init`"
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(str(path), str(error)) from error
    chosen = {}
    for section, value in stated.items():
        if section not in SECTIONS or not isinstance(value, dict):
            raise SettingsError(f"{path}: {section}", "there is no such section")
        chosen[section] = _section(section, value, str(path) + ": ", strict=True)
    for variable, (section, key) in variables().items():
        if variable in environment:
            own = chosen.get(section, SECTIONS[section]())
            read = _section(section, {key: environment[variable]}, "", strict=False, as_=variable)
            chosen[section] = msgspec.structs.replace(own, **{key: getattr(read, key)})
    return msgspec.convert(
        {name: msgspec.to_builtins(value) for name, value in chosen.items()}, Settings
    )


def _section(
    section: str, values: dict[str, Any], where: str, *, strict: bool, as_: str = ""
) -> msgspec.Struct:
    """One section; values of the environment are texts, and read as such."""
    kind = SECTIONS[section]
    for key, value in values.items():
        name = as_ or f"{where}{section}.{key}"
        if key not in kind.__struct_fields__:
            raise SettingsError(name, "there is no such setting")
        try:
            msgspec.convert({key: value}, kind, strict=strict)
        except msgspec.ValidationError as error:
            raise SettingsError(name, str(error).partition(" - at")[0]) from error
    return msgspec.convert(values, kind, strict=strict)


def default_file(ledger: str = Storage().ledger) -> str:
    """The file that `tieout node init` writes: every key with its default.

    Of a ledger in a folder of the node's own, unless another one is named.
    """
    lines = ["# Settings of this node. docs/node.md explains each; the environment wins over them."]
    for section, kind in SECTIONS.items():
        lines += ["", f"[{section}]"]
        for field in msgspec.structs.fields(kind):
            chosen = ledger if (section, field.name) == ("storage", "ledger") else field.default
            text = msgspec.json.encode(chosen).decode()
            lines.append(f"{field.name} = {text}")
    return "\n".join(lines) + "\n"
