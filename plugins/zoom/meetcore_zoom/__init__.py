"""Zoom meetings as a guest of Zoom's web client."""
