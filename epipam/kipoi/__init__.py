"""The Kipoi folder of a model, and what runs in it."""
