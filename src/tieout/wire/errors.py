"""The one root of what this room raises."""


class WireError(ValueError):
    """Bytes or values that do not fit the wire formats.

    The sender is at fault; sending the same again will not help.
    """
