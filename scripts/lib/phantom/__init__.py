"""The phantom: procedural chest X-rays with known findings, and writers that lay them out like the real datasets."""
