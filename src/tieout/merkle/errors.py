"""What this room raises."""


class MerkleError(ValueError):
    """The root of this room's errors: an argument that no tree or no proof can have."""


class RangeError(MerkleError):
    """An index or a size for which there is nothing to prove. The caller is at fault.

    `argument` is the name of the argument that is wrong.
    """

    def __init__(self, argument: str, message: str) -> None:
        self.argument = argument
        super().__init__(message)


class ProofError(MerkleError):
    """A proof that does not hold. Whoever handed it over is at fault; asking again is useless.

    `argument` is the name of the argument of the check that is wrong. Where hashes were chained
    and led elsewhere, it is the root that they did not lead to: which hash of the chain is the
    wrong one, nobody can tell.
    """

    def __init__(self, argument: str, message: str) -> None:
        self.argument = argument
        super().__init__(message)


class SelfTestError(MerkleError):
    """The compiled lanes give wrong hashes on this machine. The process must not go on.

    `rows` and `width` are the shape of the input that showed it. Compiling anew may help;
    with NUMBA_DISABLE_JIT=1 everything is right and slow.
    """

    def __init__(self, what: str, rows: int, width: int) -> None:
        self.rows = rows
        self.width = width
        super().__init__(
            f"self-test: {what} of {rows} rows of {width} bytes differs from hashlib's; "
            "compile anew (`make clean setup`), or set NUMBA_DISABLE_JIT=1"
        )
