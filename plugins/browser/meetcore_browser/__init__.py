"""What meetcore's web joiners stand on: a Chromium under Trio, audio capture in the page, diagnostics."""
