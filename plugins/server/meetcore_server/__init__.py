"""meetcore as a service: storage, webhooks, HTTP and WebSocket, and the page."""
