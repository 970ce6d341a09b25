"""Only the encoder's: what was asked (`target`), how to search for it (`search`), and which coder and step keep it (`encoder`)."""
