"""What a plugin implements, the hooks, and how plugins are found and kept apart."""
