"""Documentation: tutorials, how-to, reference, explanation."""
