"""outrig: run any agent or command in a container, and keep a truthful record of it."""

__version__ = "0.1.0"
