"""The genome: FASTA, contigs, windows, bases as bits."""
