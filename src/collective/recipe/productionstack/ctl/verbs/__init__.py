"""One file per verb, named as it is typed: options, the story, the wording."""
