# The dashboard in a container: `docker build -t holdfast .`, then see docs/operations.md.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    MEMORY_DATA_DIR=/data

WORKDIR /app
COPY requirements.lock ./
COPY scripts/install.sh scripts/install.sh
RUN sh scripts/install.sh

COPY . .
RUN useradd --system --no-create-home holdfast && install -d -m 700 -o holdfast /data
USER holdfast

EXPOSE 8501
HEALTHCHECK --interval=30s --start-period=60s CMD \
    python -c "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('PORT', '8501') + '/health')"
# The script makes way for the server, so that SIGTERM reaches it.
CMD ["sh", "scripts/serve.sh"]
