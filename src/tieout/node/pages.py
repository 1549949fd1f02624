"""The pages of the node: setting up, and the manual of the API, written from the table."""

import re
from collections.abc import Sequence
from html import escape
from importlib import resources
from typing import Any, Final

from tieout.node.problems import PROBLEMS


def asset(name: str) -> bytes:
    """A file of `web/`."""
    return resources.files("tieout.node.web").joinpath(name).read_bytes()


SETUP_PAGE: Final = asset("setup.html")
OIDC_PAGE: Final = asset("oidc.html")
_CODE: Final = re.compile("`([^`]+)`")
_HEAD: Final = (
    '<!doctype html><html lang="en"><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<title>{title}</title><link rel="stylesheet" href="/style.css"><main>'
)


def problems_page() -> bytes:
    """The table of codes, with an anchor for each."""
    rows = "".join(
        f'<tr id="{code}"><td><code>{code}</code><td>{kind.status}<td>{escape(kind.title)}'
        f"<td>{'yes' if kind.retry else 'no'}"
        for code, kind in PROBLEMS.items()
    )
    head = _HEAD.format(title="Tieout: refusals")
    table = "<table><tr><th>code<th>status<th>what it says<th>worth another try"
    return f"{head}<h1>Refusals</h1>{table}{rows}</table></main></html>".encode()


def api_page(document: dict[str, Any], order: Sequence[tuple[str, str]]) -> bytes:
    """The manual of the API from its OpenAPI document; `order` is (path, method)."""
    parts = [
        _HEAD.format(title="Tieout: the API"),
        "<h1>The API of this node</h1>",
        '<p>For programs: <a href="/openapi.json">openapi.json</a> (OpenAPI 3.1).',
        '<p>Refusals: <a href="/docs/problems">the table of codes</a>.',
    ]
    parts += [_endpoint(path, method, document["paths"][path][method]) for path, method in order]
    return "".join([*parts, "</main></html>"]).encode()


def _marked(text: str) -> str:
    """Text for a page, with what stands between backticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _form(schema: dict[str, Any]) -> str:
    """What a parameter may be, in few words; nothing for what is no more than text."""
    kinds = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    kind = kinds[0] if kinds else {}
    if kind.get("type") == "array":
        kind = kind.get("items", {})
        words = ["several times"]
    else:
        words = []
    words += [" or ".join(map(str, kind["enum"]))] if "enum" in kind else []
    words += [f"{low} to {kind['maximum']:,}" for low in [kind.get("minimum")]
              if low is not None and "maximum" in kind]  # fmt: skip
    words += ["true or false"] if kind.get("type") == "boolean" else []
    default = schema.get("default")
    words += [f"else {str(default).lower()}"] if default not in (None, "", []) else []
    return "; ".join(words)


def _endpoint(path: str, method: str, said: dict[str, Any]) -> str:
    name = escape(said["operationId"])
    parts = [
        f'<h3 id="{name}"><code>{method.upper()} {escape(path)}</code></h3>',
        f"<p>{_marked(said['summary'])} <span class=muted>{_marked(said['description'])}</span>",
        "<table>",
    ]
    for each in said.get("parameters", ()):
        what = _marked(each.get("description") or _form(each.get("schema", {})))
        where = escape(each["in"])
        parts.append(f"<tr><td><code>{escape(each['name'])}</code><td>{where}<td>{what}")
    bodies = said.get("requestBody", {}).get("content", {})
    parts += [f"<tr><td>body<td colspan=2><code>{escape(media)}</code>" for media in bodies]
    for status, answer in said["responses"].items():
        forms = ", ".join(f"<code>{escape(media)}</code>" for media in answer.get("content", {}))
        parts.append(f"<tr><td>{escape(status)}<td>{forms}<td>{_marked(answer['description'])}")
    return "".join([*parts, "</table>"])
