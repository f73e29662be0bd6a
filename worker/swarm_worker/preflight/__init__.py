"""What is proven before the worker registers, so that no task is claimed only to fail."""
