"""What was said: logs and their timing."""
