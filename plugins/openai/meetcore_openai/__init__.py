"""meetcore's way to any endpoint that speaks OpenAI's transcription API, HTTP or realtime."""
