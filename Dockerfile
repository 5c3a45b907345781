# The packages. A change of the program does not install them again.
FROM python:3.11-slim-bookworm AS packages
WORKDIR /packages
# Optional packages, such as EXTRAS="parquet apprise"; each has its requirements-<extra>.txt.
ARG EXTRAS=""
COPY requirements*.txt ./
RUN python -m venv /venv && \
  /venv/bin/pip install --no-cache-dir -r requirements.txt $(for extra in $EXTRAS; do echo "-r requirements-$extra.txt"; done)

FROM node:22-bookworm-slim AS dashboard
WORKDIR /dashboard
COPY dashboard/package.json dashboard/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY dashboard .
RUN npm run build

# The program, with only the build of the dashboard.
FROM python:3.11-slim-bookworm AS program
WORKDIR /app
COPY . .
RUN rm -r dashboard
COPY --from=dashboard /dashboard/dist dashboard/dist

FROM python:3.11-slim-bookworm
# Reaps the processes of a Postgres that was killed, so that it can be started again.
RUN apt-get update && apt-get install -y --no-install-recommends tini=0.19.* && rm -rf /var/lib/apt/lists/*
# The application user owns the data folder; a named volume that is mounted there inherits the owner.
RUN useradd --uid 10001 --create-home llmlab && install -d -o llmlab -g llmlab -m 700 /data
WORKDIR /app
COPY --from=packages /venv /venv
COPY --from=program /app .
ARG EXTRAS=""
LABEL llmlab.extras=$EXTRAS
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 HOST=0.0.0.0 PORT=8000 DATA_DIR=/data
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/api/health')"]
ENTRYPOINT ["tini", "--"]
CMD ["python", "main.py"]
