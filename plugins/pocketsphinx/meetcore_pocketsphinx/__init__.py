"""meetcore's built-in transcriber: CMU pocketsphinx in a child process, offline, without a key."""
