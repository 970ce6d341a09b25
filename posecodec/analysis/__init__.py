"""Looking at recordings: how far two differ, what is doubtful about one, who is who, what a file promised."""
