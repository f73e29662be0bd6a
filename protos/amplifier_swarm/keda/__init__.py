"""The protocol by which KEDA asks for the load of a pool of workers."""
