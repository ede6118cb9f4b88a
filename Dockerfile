# epipam with PyTorch for CPUs: docker build -t epipam . && docker run --rm -v "$PWD:/data" epipam score ...
FROM python:3.11-slim AS build

# What compiles the loops that scores come from.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev
WORKDIR /source
COPY pyproject.toml setup.cfg setup.py constraints.txt README.md LICENSE ./
COPY epipam epipam
RUN python -m venv /opt/epipam
# PyTorch's own index has wheels without CUDA, a tenth of the size; all versions are those of constraints.txt.
RUN /opt/epipam/bin/pip install --no-cache-dir --constraint constraints.txt \
        --extra-index-url https://download.pytorch.org/whl/cpu \
        "torch==2.13.0+cpu" ".[interpret,dask]" \
    && /opt/epipam/bin/pip check

FROM python:3.11-slim

# Workflow managers look for ps.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends procps \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/epipam /opt/epipam
ENV PATH=/opt/epipam/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    XDG_CACHE_HOME=/tmp/cache
RUN useradd --create-home epipam
USER epipam
WORKDIR /data
ENTRYPOINT ["epipam"]
CMD ["--help"]
