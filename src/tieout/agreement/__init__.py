"""What the parties agreed on for one kind of transaction: read, checked, hashed, and made ready.

The problem: people write an agreement as a file, with names, decimals and comments; every node must
hold exactly the same agreement, and the rules need indices and integers. The model: a file is read
into what its author *stated* (`stated.py`), normalised so that formatting does not matter; that has
one byte form (`canonical.py`), which is hashed and enacted; and it is compiled (`compile.py`) into
the `Agreement` of `model.py`. What is not here: files (the caller has the text), rules, ledgers.
"""
