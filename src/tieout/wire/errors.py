"""The one root of what this room raises."""


class WireError(ValueError):
    """Bytes or values that do not fit the wire formats.

    The sender is at fault; sending the same again will not help.
    """


class BlockError(WireError):
    """A block that does not follow on the state it was to be applied to (R-BLOCK-1).

    Nothing was changed; the engine is at fault.
    """
