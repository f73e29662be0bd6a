"""The live feed: WebSocket, broadcaster, frames, subscribers."""
