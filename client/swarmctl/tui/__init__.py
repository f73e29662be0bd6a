"""`swarmctl watch` on a terminal: a full screen that updates itself, with keys for the commands."""
