"""Only the encoder's: what was asked (`target`), which coder and step keep it (`coder_choice`), how to look (`search`)."""
