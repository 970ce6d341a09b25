"""Training: new weights for the codec. Nothing here runs when files are encoded or decoded.

`token_loop` trains the network of tokens (`token_config` says how, `token_views` and `damage` what it sees,
`strokes`, `losses` and
`discriminator` how it is judged, `checkpoint` how it goes on); `token_prior` learns what its codes cost,
`token_export` writes
the weights. `windows` makes the weights of windows: `window_tables` fits what they are made of. `transform` fits the
tables of the
transform coder. `data`, `views` and `cameras` turn motion into what they learn from; `tokens` gives the tokens of
files to models of your own.
"""
