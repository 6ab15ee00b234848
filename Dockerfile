FROM python:3.13-slim AS build

ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never

RUN pip install --no-cache-dir "uv>=0.13,<0.14"

WORKDIR /app
# Before the code: a change of the code alone installs nothing again
COPY pyproject.toml ./
RUN uv sync --no-cache --no-dev
COPY alembic.ini ./
COPY bot bot
COPY db db
COPY migrations migrations
RUN .venv/bin/python -m compileall -q bot db migrations


FROM python:3.13-slim

# Named volumes take over the owner of the folder that they cover
RUN useradd --uid 10001 --user-group --no-log-init --no-create-home bot \
    && install --directory --owner=bot --group=bot --mode=0700 /data

WORKDIR /app
COPY --from=build /app/.venv .venv
COPY --from=build /app/alembic.ini ./
COPY --from=build /app/migrations migrations
COPY --from=build /app/db db
COPY --from=build /app/bot bot

ENV PATH="/app/.venv/bin:$PATH" \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    DATABASE_URL=sqlite:////data/db.sqlite

# By number: some hosts want to see that it is not root
USER 10001:10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM

# The port is read when it runs: hosts set another one. http.client asks no proxy
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import os, sys; from http.client import HTTPConnection; door = HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); door.request('GET', '/health'); sys.exit(door.getresponse().status != 200)"]

CMD ["python", "-m", "bot"]
