"""Only the encoder's: what was asked (`target`), which coder and step keep it (`encoder`), and how to look (`search`)."""
