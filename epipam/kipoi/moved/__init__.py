"""Modules under names that they had before, for folders that were exported then.

`epipam/__init__.py` puts this folder on the package's path, so that `epipam.kipoi_batches` is found
here.
"""
