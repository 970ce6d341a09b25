"""Mathematics of time that coders share: transforms, how to cut frames into blocks, quantizer steps."""
