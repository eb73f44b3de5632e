"""The report of an audit: one page, the same as JSON, and a part of a model card."""
