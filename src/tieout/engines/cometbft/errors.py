"""What goes wrong between CometBFT and this application."""

from tieout.engines.errors import EngineError


class RefusedCall(EngineError):
    """A call that must not be answered as if it were in order (wrong genesis, wrong height).

    The caller is told, and its connection ended; state and journal are as before.
    """
