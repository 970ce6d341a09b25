"""What formats share; nothing here knows a format."""
