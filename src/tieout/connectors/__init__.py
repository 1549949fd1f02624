"""How records enter a party's house, and how adjustments leave it.

The problem: every system prints its records in its own way, and keeps its books in its own tables.
The model: a stated mapping turns a file into rows of the agreement, exactly or not at all; a stated
configuration turns tables into the booking of a transaction, and an adjustment into entries. What
is not here: which rows are published (the caller's), and any guess at what a file might mean.
"""
