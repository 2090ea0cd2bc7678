# syntax=docker/dockerfile:1
# Slim, not root, no build tools in what is shipped. Migrations are a step of their own: `docker compose run migrate`.
FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /venv
COPY requirements.txt .
RUN /venv/bin/pip install --require-hashes -r requirements.txt

FROM python:3.13-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/venv/bin:$PATH LEDGER_DATA_DIR=/tmp/ledger PROMETHEUS_MULTIPROC_DIR=/tmp/metrics
RUN useradd --system --uid 10001 --no-create-home ledger
COPY --from=build /venv /venv
WORKDIR /app
COPY manage.py ./
COPY ledger_project ledger_project
COPY console console
COPY portal portal
COPY merchants merchants
COPY people people
COPY fees fees
COPY transfers transfers
COPY events events
USER ledger
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
# The addresses of proxies whose X-Forwarded-For is believed: uvicorn reads it, and the check refuses what is no address or network.
ENV FORWARDED_ALLOW_IPS=127.0.0.1
# uvicorn drains on SIGTERM; give it longer than LEDGER_POSTING_TIMEOUT before SIGKILL.
STOPSIGNAL SIGTERM
CMD ["sh", "-c", "rm -rf $PROMETHEUS_MULTIPROC_DIR; python manage.py check && exec uvicorn ledger_project.asgi:application --host 0.0.0.0 --port 8000 --workers ${WORKERS:-2} --loop uvloop --http ledger_project.http.protocol:BoundedProtocol --lifespan on --no-access-log --no-server-header --forwarded-allow-ips \"$FORWARDED_ALLOW_IPS\" --timeout-graceful-shutdown 35"]
