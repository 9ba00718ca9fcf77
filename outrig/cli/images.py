"""`outrig images`: which images there are, configured and built."""
