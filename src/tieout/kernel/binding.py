"""Whether an agreement holds together with those whom it would bind (R-AGREE-2, R-AGREE-3)."""

from collections.abc import Iterable
from itertools import pairwise

from tieout.agreement.errors import AgreementError
from tieout.agreement.model import Agreement
from tieout.agreement.parse import load_canonical
from tieout.wire.members import PutIntoForce, Step
from tieout.wire.operations import Enact

Asked = Enact | PutIntoForce
"""Both ask for a text with holders: at once, and as a step of a change."""


def sound_agreement(asked: Asked, rules_version: int) -> Agreement | None:
    """The agreement, None when it is malformed or cannot work with these holders (R-AGREE-2).

    Whether the holders are members is for the caller to judge.
    """
    try:
        agreement = load_canonical(asked.agreement)
    except AgreementError:
        return None
    is_ascending = all(a < b for each in asked.holders for a, b in pairwise(each))
    if len(asked.holders) != len(agreement.roles) or not all(asked.holders) or not is_ascending:
        return None
    if agreement.needs_rules > rules_version:  # R-AGREE-3
        return None
    return agreement if agreement.quorum <= 1 + len(bound(asked)) else None


def bound(asked: Asked) -> list[int]:
    """Every party that holds a role, each once, ascending."""
    return sorted({party for holders in asked.holders for party in holders})


def versions_of(steps: Iterable[Step]) -> dict[str, int]:
    """The newest version that sound steps put into force, by name."""
    put = [load_canonical(step.agreement) for step in steps if isinstance(step, PutIntoForce)]
    return {agreement.name: agreement.version for agreement in put}
