"""Face images on their way: sources, the packed store, splits, verification pairs, validation."""
