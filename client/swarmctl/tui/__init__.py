"""`swarmctl watch` on a terminal: a full screen that keeps itself up to date, with keys for the verbs."""
