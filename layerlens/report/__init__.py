"""What came out of a run, as frozen rows; each module defines the rows of one part."""
