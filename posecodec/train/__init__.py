"""Training: new weights for the codec. Nothing here runs when files are encoded or decoded.

`windows` makes the weights of windows: `window_tables` fits what they are made of. `transform` fits the tables of the
transform coder. `token_loop` trains the network of `networks` with `losses`, `discriminator` and `checkpoint`. `data`,
`canonicalize`, `views` and `cameras` turn motion into what they learn from; `tokens` gives the tokens of files to models of
your own.
"""
