"""What a client program holds: submit, wait, and verify, against the node of its own house.

The programs of a house talk to its node over HTTP, and the node signs: `http/`.

Who signs for themselves uses the modules beside it. Such a client signs with `wire.signing`,
submits the very bytes through its CometBFT node (`client.LedgerClient`), waits until they are in a
block, and, where it does not want to take the node's word, follows the validators' signatures from
the founding ones on (`light.LightClient`). Evidence packs are verified by `evidence.pack`, offline.

What is not here: the rules and the journal. A client needs no compiler and no ledger.
"""
