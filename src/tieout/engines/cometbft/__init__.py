"""CometBFT orders the blocks among parties that do not trust each other; here is their node."""
