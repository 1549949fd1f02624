"""What goes wrong with compiled loops."""


class LoopsError(RuntimeError):
    """The loops could not be compiled or loaded on this machine; nothing can be computed here."""
