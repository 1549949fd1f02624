"""What can go wrong between the ledger and the database. One root: `ProjectionError`."""


class ProjectionError(Exception):
    """A read model could not be made, or asked. `advice` says what to do about it."""

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.advice = advice


class DatabaseAway(ProjectionError):
    """The database cannot be reached, or has broken off. Trying again later may help."""


class OtherLedger(ProjectionError):
    """The database belongs to another ledger, or to other blocks of this one."""


class Outrun(ProjectionError):
    """Another follower has written what this one was about to write. Nothing was done twice."""


class BadCursor(ProjectionError):
    """A cursor that this database did not give for this very list. The reader's fault."""


class BadFilter(ProjectionError):
    """A filter that no list could have. The reader's fault."""


class UnknownAgreement(BadFilter):
    """No agreement of that name, or none yet: the ledger may be some blocks ahead."""


class NotFound(ProjectionError):
    """There is nothing of that name."""


class Conflict(ProjectionError):
    """Somebody else has changed it meanwhile: look again, then decide."""
