"""Calls on an EasyRTC server, through its own demo page."""
