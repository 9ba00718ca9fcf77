"""Git, run so that nothing a tree contains can run: its configuration, hooks and monitors stay asleep."""
