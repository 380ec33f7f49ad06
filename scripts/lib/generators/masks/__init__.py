"""The mask generator: from words to anatomy, then to findings given the anatomy."""
