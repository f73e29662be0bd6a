"""Calls to swarmd: connection, errors, streams, paging, and waits for receipts."""
