# syntax=docker/dockerfile:1
# Wireroom as locked: all of requirements.lock with its hashes, run by a user who writes only in his volumes.
ARG PYTHON=3.13-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /src
RUN python -m venv /opt/wireroom
COPY requirements.lock ./
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/wireroom/bin/pip install --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY pipeline pipeline
COPY workers workers
COPY kibana kibana
COPY seeds seeds
RUN /opt/wireroom/bin/pip install --disable-pip-version-check --no-deps --no-build-isolation --no-index .

FROM python:${PYTHON}
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /srv/wireroom/home wireroom \
    && install --directory --owner wireroom --group wireroom --mode 700 \
        /srv/wireroom /srv/wireroom/home /srv/wireroom/archive
COPY --from=build /opt/wireroom /opt/wireroom
ENV PATH=/opt/wireroom/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    WIREROOM_HOME=/srv/wireroom/home \
    WIREROOM_ARCHIVE_URL=file:///srv/wireroom/archive \
    OPENBLAS_NUM_THREADS=1 \
    MALLOC_ARENA_MAX=2 \
    OMP_NUM_THREADS=1
WORKDIR /srv/wireroom
USER wireroom
CMD ["wireroom", "--help"]
