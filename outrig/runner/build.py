"""Images that outrig builds: named, in the order they stand on each other, and only when not yet there."""
