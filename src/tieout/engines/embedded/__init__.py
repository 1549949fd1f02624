"""One process, one operator: order by arrival, durability by group commit, no network."""
