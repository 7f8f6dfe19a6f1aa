"""Video rooms of a Janus server, joined through its own demo page."""
