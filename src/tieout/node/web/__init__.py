"""The few pages that the node serves by itself: no script or style from elsewhere."""
