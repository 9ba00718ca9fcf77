"""Images of a docker daemon: present, listed, pulled, built, imported."""
