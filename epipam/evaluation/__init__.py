"""How good probabilities are, beside what needs no sequence."""
