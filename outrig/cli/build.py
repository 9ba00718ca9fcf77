"""`outrig build`: images built ahead of their first use."""
