"""The commands: they read what was asked, call the core, and print what it answers."""
