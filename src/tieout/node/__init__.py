"""The running process of one party: HTTP, live stream, access, and the ledger behind them."""
