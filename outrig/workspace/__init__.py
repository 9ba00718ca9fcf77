"""The directory the agent sees; the only room that runs git."""
