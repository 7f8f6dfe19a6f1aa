"""A bot's page as a picture: on a screen of its own, or from the tab itself, as H.264."""
