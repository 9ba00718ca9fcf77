"""The gate of a session: what runs in its gateway container, the only way out of `filter`, `audit`.

It is a program of its own, started with outrig's interpreter beside the agent: it imports core
and h11, and nothing that knows of engines, sessions or the user.
"""
