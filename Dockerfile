# Synthorax in a container. This recipe was not built where it was written: tell us what it lacks.
#
#   docker build -t synthorax .
#   docker run --rm -v "$PWD/runs:/runs" synthorax figure2 DIR=/runs/embedded
FROM python:3.11-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends make git libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /synthorax
COPY Makefile requirements.lock ./
COPY envs/install.sh envs/
# A layer of its own: it changes with the lock alone.
RUN make install PYTHON=python3 && rm -rf /root/.cache

COPY . .
# COPY gives the lock a time of its own; what was installed from it is the same.
RUN touch .venv/.ready

ENTRYPOINT ["make"]
CMD ["help"]
