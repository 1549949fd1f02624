"""What is kept for ever: blocks with what they did, receipts, snapshots."""
