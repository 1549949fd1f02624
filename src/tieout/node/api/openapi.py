"""The OpenAPI 3.1 document, read off the table of endpoints.

Forms of bodies and answers are JSON Schema 2020-12 of the very messages that are decoded and
encoded. docs/openapi.json is this document; a test compares.
"""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

import tieout
from tieout.node.api.table import Endpoint
from tieout.node.api.working import ID, NAME, SHA256
from tieout.node.problems import PROBLEM_JSON, PROBLEMS, Problem

PARAMETER: Final = re.compile(r"\{([a-z_]+)\}")
ALWAYS: Final = ("invalid_parameter", "too_many_requests", "internal")
"""Problems that every endpoint may answer with."""
FOR_USERS: Final = ("not_signed_in", "not_allowed")
_ANY_PART: Final = {"type": "string", "minLength": 1}
_PARTS: Final = {
    "height": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    "break": {"type": "string", "pattern": ID},
    "alarm": {"type": "string", "pattern": ID},
    "hash": {"type": "string", "pattern": SHA256},
    "code": {"type": "string", "pattern": NAME},
    "filter": {"type": "string", "pattern": NAME},
}
"""Parts of paths that are not just any text."""
_REF: Final = "#/components/schemas/{name}"


def problems_of(endpoint: Endpoint) -> tuple[str, ...]:
    """All codes that an endpoint may answer with, in the table's order."""
    codes = {*ALWAYS, *endpoint.problems, *(FOR_USERS if endpoint.permission else ())}
    if endpoint.is_unsafe:
        codes |= {"slow_request", "too_large", *(("csrf",) if endpoint.permission else ())}
    return tuple(code for code in PROBLEMS if code in codes)


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The document, as JSON can hold it."""
    forms = [
        form
        for endpoint in endpoints
        for each in (endpoint.body, *(answer.forms for answer in endpoint.answers.values()))
        for form in each.values()
    ]
    kinds = [Problem, *(kind for form in forms for kind in _kinds(form))]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    by_kind = {repr(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, by_kind)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tieout node",
            "version": tieout.__version__,
            "description": "Publish records, get their verdicts, and follow what breaks.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "tieout_session"},
            },
        },
    }


def _operation(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    allowed = (
        f"Takes the permission `{endpoint.permission}`." if endpoint.permission else "For anybody."
    )
    said: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": allowed,
        "security": [{"token": []}, {"session": []}] if endpoint.permission else [],
        "parameters": _parameters(endpoint),
        "responses": _responses(endpoint, schemas),
    }
    if endpoint.body:
        content = {media: _form(form, schemas) for media, form in endpoint.body.items()}
        said["requestBody"] = {"required": True, "content": content}
    return said


def _kinds(form: Any) -> tuple[Any, ...]:
    """The forms that are meant: none, one, or any of several."""
    if form is None:
        return ()
    return form if isinstance(form, tuple) else (form,)


def _form(form: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    found = [schemas[repr(kind)] for kind in _kinds(form)]
    if not found:
        return {}
    return {"schema": found[0] if len(found) == 1 else {"anyOf": found}}


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _PARTS.get(name, _ANY_PART)}
        for name in PARAMETER.findall(endpoint.path)
    ]
    schema = msgspec.json.schema(endpoint.query)
    inner = schema["$defs"][endpoint.query.__name__]
    for name, form in inner["properties"].items():
        shown = {key: value for key, value in form.items() if key != "default"}
        said.append({"name": name, "in": "query", "required": False, "schema": shown})
    for name, what in endpoint.headers.items():
        schema_of = {"type": "string", "minLength": 1, "maxLength": 255}
        said.append(
            {
                "name": name,
                "in": "header",
                "required": False,
                "description": what,
                "schema": schema_of,
            }
        )
    return said


def _responses(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for status, answer in endpoint.answers.items():
        said[str(status)] = {"description": answer.what}
        if answer.forms:
            said[str(status)]["content"] = {
                media: _form(form, schemas) for media, form in answer.forms.items()
            }
    by_status: dict[int, list[str]] = {}
    for code in problems_of(endpoint):
        by_status.setdefault(PROBLEMS[code].status, []).append(code)
    for status, codes in sorted(by_status.items()):
        said[str(status)] = {
            "description": f"{HTTPStatus(status).phrase}: {', '.join(codes)}",
            "content": {PROBLEM_JSON: {"schema": schemas[repr(Problem)]}},
        }
    return said
