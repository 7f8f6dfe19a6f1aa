"""A meeting's picture and sound, live, to an RTMP receiver."""
