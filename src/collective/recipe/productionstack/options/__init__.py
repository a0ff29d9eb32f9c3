"""Options of a part: declared once, parsed, complained about all at once."""
