"""MeetStream's wire format over a meetcore server. See plugin.py for what it hooks into."""
