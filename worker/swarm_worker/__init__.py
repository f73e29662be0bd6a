"""The worker: it claims tasks and runs their sessions."""
