"""Microsoft Teams meetings, joined as a guest of the web client."""
