"""The disk: session records, config files, locks."""
