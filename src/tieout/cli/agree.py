"""`tieout agreement check`: what an agreement file says, in plain words."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tieout.cli.files import read_agreement
from tieout.cli.outcome import Outcome
from tieout.cli.output import print_json


def check(file: Path, /, *, json: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Check an agreement file strictly and explain it.

    Parameters
    ----------
    file
        The agreement (TOML).
    json
        Print name, version, hash and the explanation as JSON.

    """
    from tieout.agreement.explain import explain

    agreement = read_agreement(file)
    if json:
        print_json(
            {
                "name": agreement.name,
                "version": agreement.version,
                "hash": agreement.hash.hex(),
                "explanation": explain(agreement),
            }
        )
    else:
        print(explain(agreement))
    return Outcome.COMPLETE
