# One image for every part: worker, Flower, simulator, commands.
FROM python:3.13.9-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY dispatcher dispatcher
COPY workers workers
RUN python -m venv /opt/dispatcher \
 && /opt/dispatcher/bin/pip install --no-cache-dir .

FROM python:3.13.9-slim-bookworm
LABEL org.opencontainers.image.title="group-dispatcher" \
      org.opencontainers.image.licenses="MIT"
# A fixed number, so that volumes keep their owner from one build to the next.
RUN useradd --uid 10001 --create-home dispatcher \
 && install -d -o dispatcher -g dispatcher -m 0700 /data
COPY --from=build /opt/dispatcher /opt/dispatcher
ENV PATH=/opt/dispatcher/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DISPATCHER_DATA_DIR=/data \
    DISPATCHER_LOG_FORMAT=json
# By number: an orchestrator can see that it is not root.
USER 10001:10001
WORKDIR /data
ENTRYPOINT ["dispatcher"]
CMD ["worker"]
