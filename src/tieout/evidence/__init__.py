"""What convinces a stranger: checkpoints, break lists, evidence packs, certificates, audits.

The problem: somebody who was not there, and trusts nobody who was, must be able to find out what
was said, when, by whom, and what followed from it. The model: everything here is a document in one
byte form that is checked against two things only: a genesis that the stranger trusts, and the rule
book, in the readable implementation (`reference`). A checkpoint commits to the whole ledger; a pack
shows one transaction under a checkpoint; a certificate states a whole cut-off; an audit replays all
of it.

What is not here: the compiled rules, so that verifying starts at once and rests on the readable
ones; who decides the order of blocks; and how documents travel.
"""
