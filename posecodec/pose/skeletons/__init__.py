"""Which skeletons there are, and five ways to find one: by name, by file, by spelling, by numbers alone, or a new one."""
