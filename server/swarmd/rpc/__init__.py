"""The only place that speaks gRPC: adapters from the wire to the engine and back."""
