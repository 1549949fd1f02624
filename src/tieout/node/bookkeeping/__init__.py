"""A party's own books beside the node: what others state is verified, adjustments are posted."""
