"""Every limit of the journal, with its reason."""

SEGMENT_BYTES = 256 * 1024 * 1024
"""A segment that has reached this size is sealed: its records are sorted once, in memory."""

MAX_FRAME_BYTES = 1 << 32
"""A block of 1,024 batches of 4 MiB fits; a larger size in a header is not believed."""

ALLOCATE_BYTES = 16 * 1024 * 1024
"""Space asked for ahead: most syncs then need not change the file's size, a third of their time."""

SECTOR_BYTES = 512
"""What a disk writes wholly or not at all; after a power cut an unwritten sector reads as zeros."""

INDEX_BLOCKS = 512
"""Blocks between two transactions of the index: SQLite then costs little of each block."""

INDEX_ITEMS = 16_384
"""Items between two transactions of the index: one of them stays within some milliseconds."""

INDEX_EPISODES = 4_096
"""Beginnings and ends of episodes between two transactions of the index, likewise."""

CHUNK_BYTES = 1024 * 1024
"""Snapshots are hashed in chunks that stay in the processor's cache between reading and hashing."""

STEP_BYTES = 4 * 1024 * 1024
"""One step of writing a snapshot: hashed, written and synced within some 15 ms."""

KEPT_SNAPSHOTS = 2
"""The newest snapshot may turn out damaged; then the one before it saves a full replay."""

MAX_PARTS = 4_096
"""Parts of a snapshot: a few for each agreement version."""

PART_NAME_BYTES = 48
"""Name of a snapshot's part."""
