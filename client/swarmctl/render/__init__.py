"""What comes out of the server, as tables, JSON and YAML."""
