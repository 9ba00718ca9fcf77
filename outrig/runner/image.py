"""The image of a run made ready: of this host, as configured, or known to the engine."""
