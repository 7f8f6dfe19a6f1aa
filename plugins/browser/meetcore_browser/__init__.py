"""What meetcore's web joiners stand on: Chromium under Trio, capture, diagnostics."""
