"""Conversion between the engine's values and the contract's messages, shared by gRPC and HTTP."""
