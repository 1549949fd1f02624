"""The one byte form of everything that is signed, hashed or sent."""
