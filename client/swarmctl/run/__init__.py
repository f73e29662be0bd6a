"""`swarmctl run`: a private server, its workers, and the supervisor of both."""
