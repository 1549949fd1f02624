"""Who decides the order: an engine turns submitted items into blocks and keeps them."""
