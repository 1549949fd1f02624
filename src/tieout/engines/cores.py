"""Work that is in pieces, on two cores.

The rules have no threads. Where they have much to do that needs no order (hashing the pages of a
state), they are given `on_two_cores` instead of the builtin `map`. It helps as far as the work
lets go of the interpreter, as hashing does.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def on_two_cores(work: Callable[[Piece], Result], pieces: Sequence[Piece]) -> list[Result]:
    """As `list(map(work, pieces))`; a second thread takes pieces, too, and has ended by then.

    Raises the first error of either thread; the other goes no further than its piece.
    """
    if len(pieces) < 2:  # noqa: PLR2004 - nothing to share
        return list(map(work, pieces))
    waiting = deque(enumerate(pieces))
    results: dict[int, Result] = {}
    errors: list[BaseException] = []

    def take() -> None:
        try:
            while not errors:
                try:
                    number, piece = waiting.popleft()
                except IndexError:
                    return
                results[number] = work(piece)
        except BaseException as error:  # noqa: BLE001 - raised below, in the caller's thread
            errors.append(error)

    second = threading.Thread(target=take, daemon=True)
    second.start()
    take()
    second.join()
    if errors:
        raise errors[0]
    return [results[number] for number in range(len(pieces))]
