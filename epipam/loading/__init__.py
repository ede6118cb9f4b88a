"""Which rows of a store a network sees, in which order, and how they get there."""
