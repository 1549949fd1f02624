"""A party's node over HTTP, for the programs of the house.

`NodeClient` (client.py) publishes, waits, listens, lists and fetches proofs; `AsyncNodeClient`
(aio.py) does the same for asyncio; `verify` (client.py) checks an evidence pack offline;
`verify_webhook` (webhooks.py) tells the node's messages from anybody else's.
"""
