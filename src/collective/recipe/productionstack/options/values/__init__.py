"""Values of options: from the text that a user wrote."""
