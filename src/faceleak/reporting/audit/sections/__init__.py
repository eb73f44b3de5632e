"""The report's parts for experts: one file a section."""
