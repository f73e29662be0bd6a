"""One file a verb or noun of the command line."""
