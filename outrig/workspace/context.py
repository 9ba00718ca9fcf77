"""What a build sees: the files of a context, their digest, and the tar stream of them."""
