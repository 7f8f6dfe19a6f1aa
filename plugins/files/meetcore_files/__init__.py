"""The sink `files`: recordings per track and mixed, transcripts in four formats, a manifest."""
