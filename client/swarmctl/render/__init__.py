"""The data of the server as tables, JSON and YAML."""
