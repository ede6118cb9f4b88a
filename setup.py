"""The one part of epipam that is compiled; setup.cfg says everything else."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "epipam.scoring.native._maxima",
            ["epipam/scoring/native/maxima.c"],
            extra_compile_args=["-O2", "-ffp-contract=fast", "-Wno-psabi"],
            # Without a compiler epipam installs all the same, and scores by torch's operations.
            optional=True,
        )
    ]
)
