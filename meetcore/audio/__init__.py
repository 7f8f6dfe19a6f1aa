"""Arithmetic on sound: numpy arrays and small stateful objects, no Trio."""
