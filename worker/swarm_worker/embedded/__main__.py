"""Starts the embedded runner's session process."""

from swarm_worker.embedded.cli import main

if __name__ == "__main__":
    main()
