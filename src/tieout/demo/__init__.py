"""A seeded fund day, played live against a ledger of its own."""
