"""What `epipam kipoi export` fills in and copies: the files of a Kipoi model folder."""
