"""Zoom meetings by Zoom's Realtime Media Streams."""
