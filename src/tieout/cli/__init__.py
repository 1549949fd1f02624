"""The same powers from a terminal."""
