"""Messages of the contract from what the engine knows, and back: what gRPC and HTTP have in common."""
