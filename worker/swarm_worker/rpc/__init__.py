"""Everything that talks to swarmd."""
