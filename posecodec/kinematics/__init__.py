"""Mathematics of bodies that coders share: bones, the body's own frame, how gaps are filled."""
