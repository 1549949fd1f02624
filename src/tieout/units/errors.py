"""The one root of what this room raises."""


class UnitsError(ValueError):
    """Text or a value that the unit cannot hold exactly.

    Its author is at fault; the message says why. Trying again will not help.
    """
