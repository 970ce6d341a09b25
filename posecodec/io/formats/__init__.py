"""One file a format: its FORMAT says what it is, `read` and `write` do it; much parsing stands beside it."""
