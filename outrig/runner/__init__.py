"""Where the rooms meet: one verb per module."""
