"""Stages: the shape of `[stages]`, how it fits the rest, and the agreement as it holds at one.

A transaction goes through the stages in their order, each with its roles and fields. Below this
file nobody thinks of stages when values are compared: `at_stage` gives an agreement in which roles
that take no part report nothing, and whose benchmarks are those of the stage.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from tieout.agreement import keys
from tieout.agreement.errors import Findings
from tieout.agreement.limits import MAX_STAGES
from tieout.agreement.model import Agreement, Field, Policy, Stage
from tieout.agreement.stated import StatedAgreement, StatedStage
from tieout.agreement.table import Table, in_order, is_name

_NAME_FORM: Final = "lower-case letters, digits and _, a letter first, at most 36 characters"
_REMEDY: Final = "Write one table [stages.<name>] for each stage, in their order."


def read_stages(
    top: Table, roles: tuple[str, ...], fields: tuple[str, ...]
) -> tuple[StatedStage, ...]:
    """Return what stands under `stages`; names that are no roles or fields are judged later."""
    table = top.table("stages", _REMEDY)
    if table is None:
        return ()
    names = table.listed()
    if not 1 <= len(names) <= MAX_STAGES:
        top.reject("stages", f"{len(names)} stages", f"Describe 1 to {MAX_STAGES} stages.")
        return ()
    read = []
    for name in names:
        below = table.table(name, _REMEDY)
        if not is_name(name, keys.FIELD_NAME):
            table.reject(name, "this is not a name", f"Write {_NAME_FORM}.")
        elif below is not None:
            below.reject_others(keys.STAGE)
            own_roles = below.names("roles", "List the names of the roles that take part.")
            own_fields = below.names("fields", "List the names of the fields that are stated.")
            carried = below.names("carried", "List the names of fields of the stage before.")
            read.append(
                StatedStage(
                    name,
                    None if own_roles is None else in_order(own_roles, roles),
                    None if own_fields is None else in_order(own_fields, fields),
                    None if carried is None else in_order(carried, fields),
                )
            )
    return tuple(read)


def compile_stages(
    stated: StatedAgreement, fields: Sequence[Field], findings: Findings
) -> tuple[Stage, ...]:
    """Return the stages; they are sound only when nothing was found."""
    stages: list[Stage] = []
    for each in stated.stages:
        path = f"stages.{each.name}"
        names = [field.name for field in fields]
        role_names = stated.roles if each.roles is None else each.roles
        roles = _places(f"{path}.roles", "role", role_names, stated.roles, findings)
        reported = [f for f, field in enumerate(fields) if set(field.roles) & set(roles)]
        own = reported
        if each.fields is not None:
            own = list(_places(f"{path}.fields", "field", each.fields, names, findings))
        carried = _places(f"{path}.carried", "field", each.carried or (), names, findings)
        stage = Stage(each.name, roles, tuple(own), carried)
        for f in own:
            if f not in reported:
                wrong = f"no role of the stage reports {fields[f].name}"
                findings.add(f"{path}.fields", wrong, "Remove the field, or name such a role.")
        _judge(path, stage, stages[-1] if stages else None, fields, stated.roles, findings)
        stages.append(stage)
    if stages:
        _judge_all(stated, stages, fields, findings)
    return tuple(stages)


def _judge(
    path: str,
    stage: Stage,
    before: Stage | None,
    fields: Sequence[Field],
    roles: tuple[str, ...],
    findings: Findings,
) -> None:
    """Note what of a stage does not fit its fields, or the stage before it."""
    for f in stage.carried:
        name = fields[f].name
        if before is None or f not in before.fields or f not in stage.fields:
            wrong = f"{name} is not a field of this stage and of the one before"
            findings.add(f"{path}.carried", wrong, "Carry what both of them state.")
        elif not fields[f].compare:
            findings.add(f"{path}.carried", f"{name} is not compared", "Do not carry it.")
    for f in stage.fields:
        field = fields[f]
        holder = field.currency_field
        if holder is not None and holder not in stage.fields:
            wrong = f"{field.name} would be stated without {fields[holder].name}"
            findings.add(f"{path}.fields", wrong, "Name the field of its currency too.")
        is_its_own = field.compare and f not in stage.carried
        if is_its_own and field.authority is not None and field.authority not in stage.roles:
            wrong = f"{roles[field.authority]}, the benchmark of {field.name}, takes no part"
            remedy = f"Carry {field.name}, leave it out, or give it another benchmark."
            findings.add(path, wrong, remedy)


def _judge_all(
    stated: StatedAgreement, stages: Sequence[Stage], fields: Sequence[Field], findings: Findings
) -> None:
    """Note roles and fields that no stage has, and a role that would be taken for a policy."""
    if stated.groups:
        wrong = "an agreement with stages has groups, too"
        findings.add("groups", wrong, "Write an agreement of its own for what is paid in groups.")
    if stated.votes is not None:
        wrong = "an agreement with stages has decisions, too"
        findings.add("decision", wrong, "Correct a stage by a further record, or leave it out.")
    for place, role in enumerate(stated.roles):
        if role == keys.PREVIOUS_STAGE:
            findings.add("roles", f"{role} is a way to find a benchmark", "Choose another name.")
        if not any(place in stage.roles for stage in stages):
            findings.add("stages", f"{role} takes part in no stage", "Name it in one of them.")
    for place, field in enumerate(fields):
        if not any(place in stage.fields for stage in stages):
            wrong = f"{field.name} is stated in no stage"
            findings.add("stages", wrong, "Name it in one of them, or remove the field.")


def _places(
    path: str, what: str, named: Iterable[str], known: Sequence[str], findings: Findings
) -> tuple[int, ...]:
    chosen = tuple(named)
    for name in chosen:
        if name not in known:
            findings.add_unknown(path, name, f"{what} of this agreement", tuple(known))
    return tuple(sorted(known.index(name) for name in chosen if name in known))


def stage_count(agreement: Agreement) -> int:
    """How many stages transactions have; one where nothing is said of stages."""
    return max(1, len(agreement.stages))


def at_stage(agreement: Agreement, number: int) -> Agreement:
    """Return the agreement as it holds at a stage, counted from 0 (R-STAGE-1, R-STAGE-6).

    Without stages it is the agreement itself. Roles and fields keep their indices; a field that is
    not stated is reported by nobody.
    """
    if not agreement.stages:
        return agreement
    stage = agreement.stages[number]
    earlier = agreement.stages[number - 1].fields if number > 0 else ()
    return replace(
        agreement,
        opened_by=tuple(role for role in agreement.opened_by if role in stage.roles),
        fields=tuple(
            _at_stage(
                field,
                stage,
                is_stated=f in stage.fields,
                is_carried=f in stage.carried,
                was_stated=f in earlier,
            )
            for f, field in enumerate(agreement.fields)
        ),
        stage=stage,
    )


def terms_of(agreement: Agreement) -> tuple[Agreement, ...]:
    """Return the agreement as it holds at each stage, in their order."""
    return tuple(at_stage(agreement, number) for number in range(stage_count(agreement)))


def _at_stage(
    field: Field, stage: Stage, *, is_stated: bool, is_carried: bool, was_stated: bool
) -> Field:
    roles = tuple(role for role in field.roles if role in stage.roles) if is_stated else ()
    policy, authority = field.policy, field.authority
    if is_carried:
        policy, authority = Policy.PREVIOUS_STAGE, None
    elif policy is Policy.PREVIOUS_STAGE and not was_stated:
        policy = Policy.MAJORITY
    return replace(field, roles=roles, policy=policy, authority=authority)
