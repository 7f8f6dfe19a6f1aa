"""Deepgram as a transcriber for meetcore bots."""
