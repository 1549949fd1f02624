"""What the validators of a consortium sign, and what their signatures prove to a stranger.

CometBFT decides the order of blocks among several parties. For each block its validators sign a
precommit; more than two thirds of their power make a commit, and a commit makes a header certain.
This room says which bytes these are (`hashing`), and what follows from them for somebody who knows
nothing but the founding validators (`light`).

What is not here: consensus itself, any network, and CometBFT's own JSON (`sdk`).
"""
