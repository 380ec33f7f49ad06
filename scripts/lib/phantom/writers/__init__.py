"""Writers that lay phantom films out on disk in the form of each real dataset."""
