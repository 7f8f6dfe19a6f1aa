"""AssemblyAI as a transcriber for meetcore bots."""
