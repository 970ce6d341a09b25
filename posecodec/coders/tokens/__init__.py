"""Tokens: grids of integers for each chunk (`grid`), all of them as one line for sequence models (`vocabulary`), `coder`."""
