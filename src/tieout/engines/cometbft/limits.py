"""Every limit of this engine, with its reason."""

from typing import Final

MAX_FRAME_BYTES: Final = 64 * 1024 * 1024
"""One message from CometBFT: a block of MAX_BLOCK_BYTES and a chunk of a snapshot fit many times
over. A larger length is not believed, and nothing is allocated for it."""

MAX_LENGTH_BYTES: Final = 5
"""Bytes of the length before a message: 35 bits; a frame's limit needs 27."""

MAX_CONNECTIONS: Final = 16
"""CometBFT opens four. A few more, while it restarts and old ones have not been noticed to end."""

READ_BYTES: Final = 256 * 1024
"""One read from a connection: the kernel's socket buffer."""

WRITE_BYTES: Final = 1024 * 1024
"""Answers are handed to the connection at each Flush, or when so many bytes of them wait."""

MAX_BLOCK_BYTES: Final = 8 * 1024 * 1024
"""A block: one batch of the largest size and as much again; it crosses a LAN within 100 ms."""

MAX_BLOCK_ITEMS: Final = 4_096
"""Items of a block: checking that many signatures takes half a second, so that a proposer who fills
blocks with the smallest items cannot hold up the others for longer."""

MEMPOOL_ITEMS: Final = 20_000
"""Items that wait for a block: five blocks of the most items."""

MEMPOOL_BYTES: Final = 256 * 1024 * 1024
"""All items that wait: 32 full blocks. Whoever submits more is asked to wait."""

KEPT_PARTS: Final = 1_024
"""Heights whose parts of the app hash are remembered, for proofs against a header that is not the
newest any more: five minutes at three blocks a second."""

MAX_SETTLING_S: Final = 10.0
"""How long a question waits for the block that is being written; CometBFT commits within
milliseconds or is gone."""

CHUNK_BYTES: Final = 8 * 1024 * 1024
"""A chunk of a snapshot: CometBFT carries messages of up to 16 MB."""

MAX_CHUNKS: Final = 16_384
"""Chunks of a snapshot: 128 GiB of state, and half a megabyte of hashes in the metadata (4 MB)."""

MAX_PART_NAME: Final = 48
"""As in the journal's own snapshots."""

MAX_IN_FLIGHT: Final = 256
"""Signed items of a party that are in no block yet: a quarter of the window of numbers, so that no
item waits for another, and a few blocks of the busiest sender."""

MAX_IN_FLIGHT_BYTES: Final = 32 * 1024 * 1024
"""And their bytes: four full blocks. They are read at once when a sender begins again."""

AGAIN_S: Final = 5.0
"""An item that is in no block for so long is submitted again: nodes forget what waits when they
end. It counts once in any case."""

SEND_PATIENCE_S: Final = 0.5
"""How long one submission tries before blocks are looked at again."""

MIN_PAUSE_S: Final = 0.01
"""Between two looks for what is in flight: a fraction of the block interval."""

IDLE_PAUSE_S: Final = 0.08
"""As long as nothing comes into a block."""

MAX_PAUSE_S: Final = 1.0
"""While the node does not answer, or has no room."""

READY_PATIENCE_S: Final = 60.0
"""How long a sender waits for a node that answers and has not caught up, or has no block yet."""

AWAY_PATIENCE_S: Final = 5.0
"""And for one that does not answer at all: a supervisor has started it again by then."""
