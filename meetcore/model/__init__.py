"""The words of a meeting, and what can be decided without waiting: classes and functions."""
