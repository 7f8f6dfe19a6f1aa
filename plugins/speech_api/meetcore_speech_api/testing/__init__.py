"""What stand-ins for hosted speech services are made of: a server, ears for known sound, faults."""
