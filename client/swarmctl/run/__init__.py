"""`swarmctl run`: a private server, its workers, and the way to the end of a plan."""
