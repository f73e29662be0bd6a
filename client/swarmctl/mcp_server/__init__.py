"""`swarmctl mcp`: the swarm as tools and resources of the Model Context Protocol."""
