"""The report's parts for experts, a function a section."""
