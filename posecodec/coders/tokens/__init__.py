"""Tokens: grids of integers for each chunk (`grid`), and all of them as one line for sequence models (`vocabulary`)."""
