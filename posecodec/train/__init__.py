"""Training: new weights for the codec, and VQ-GANs for research. Nothing here runs when files are encoded or decoded.

`weights` makes token weights whole: `window_tables` fits what tokens are made of, `refine` the network after them.
`transform` fits the tables of the transform coder. `loop` trains the VQ-GAN of `networks` with `losses`, `discriminator`,
`checkpoint` and `validate`. `data`, `canonicalize`, `views` and `cameras` turn motion into what they learn from; `tokens`
gives the tokens of files to models of your own.
"""
