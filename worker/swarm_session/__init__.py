"""The calls of an agent for its own task, inside a session. Standard library only, but for MCP; Python 3.10."""
