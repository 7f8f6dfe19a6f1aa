"""Tests of the page of the server."""
