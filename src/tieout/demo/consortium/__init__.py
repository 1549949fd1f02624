"""The demonstration of a consortium: real nodes, one wrong record, one verdict everywhere."""
