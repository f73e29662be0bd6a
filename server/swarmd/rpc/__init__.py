"""The gRPC interface: adapters from messages to the engine and back. No other package of the server uses gRPC."""
