"""What can be read off a backbone for one image: one file a signal."""
