"""Training: data, losses, discriminator, loop and export of weights."""
