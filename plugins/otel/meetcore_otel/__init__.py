"""Traces of bots by OpenTelemetry, from the events that every plugin sees."""
