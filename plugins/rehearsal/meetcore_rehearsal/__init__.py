"""A small real WebRTC meeting site, served from the own machine, with scripted people."""
