"""The full-screen session: `fmctl ui`. Views show the same answers as the commands; nothing is computed here."""
