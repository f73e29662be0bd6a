"""The server's certificates: read from files, read again when they change, or made by the server itself."""
