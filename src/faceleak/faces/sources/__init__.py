"""Where faces come from: one file a kind of source, all read in the same way."""
