"""The sinks `websocket`, a server of events, and `websocket_push`, a client that sends them."""
