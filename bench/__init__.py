"""Speed of Tieout beside its floor and its peers; `python -m bench` prints the table."""
