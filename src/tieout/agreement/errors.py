"""What is wrong with an agreement, and the one root of what this room raises."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from tieout.agreement.limits import MAX_PROBLEMS
from tieout.units.numbers import shown


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend: the dotted path of the key, what is wrong with it, and what to write."""

    key: str
    wrong: str
    remedy: str

    def __str__(self) -> str:
        """One line for a person."""
        return (
            f"{self.key}: {self.wrong}. {self.remedy}"
            if self.key
            else f"{self.wrong}. {self.remedy}"
        )


class AgreementError(ValueError):
    """A file or a canonical form that is no agreement.

    Its author is at fault; `problems` lists everything that was found, at most 100: first keys that
    do not fit by themselves, then those that do not fit each other. `source` is the name that the
    caller gave the text.
    """

    def __init__(self, source: str, problems: tuple[Problem, ...]) -> None:
        self.source = source
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n  ".join([f"{source}: {count}", *map(str, problems)]))


class Findings:
    """Collects problems, so that one reading of a file names all of them."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []

    def add(self, key: str, wrong: str, remedy: str) -> None:
        """Note a problem; beyond MAX_PROBLEMS they are not kept."""
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(Problem(key, wrong, remedy))

    def add_unknown(self, key: str, name: str, what: str, known: Iterable[str]) -> None:
        """Note that `name` at `key` is no `what`, with those known names that look like it."""
        if len(self._problems) >= MAX_PROBLEMS:
            return
        names = tuple(known)
        near = get_close_matches(name[:64], names, n=1)
        remedy = f"Known are {', '.join(names)}." if names else "There are none."
        meant = f" Did you mean {near[0]}?" if near else ""
        self.add(key, f"{shown(name)} is not a {what}", remedy + meant)

    def __len__(self) -> int:
        """How many problems were kept."""
        return len(self._problems)

    def error(self, source: str) -> AgreementError:
        """Return the error that names all that was found."""
        return AgreementError(source, tuple(self._problems))
