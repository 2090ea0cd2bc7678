"""Every metric of the service, in base units (seconds, counts), for Prometheus.

The figures of several workers are added up. Each process keeps its own in files below
``PROMETHEUS_MULTIPROC_DIR`` (prometheus-client's multiprocess mode), and any worker reads them all.
``manage.py serve`` sets that folder; with another starter the environment does (see the
Dockerfile). Without a usable folder a worker reports its own figures only (metrics_files.py).

An observation costs about 2 µs. Labels are bounded: routes, not paths; codes of the contract, not
messages.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from ledger_project.observability import metrics_files

MULTIPROCESS_DIR = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = CONTENT_TYPE_LATEST

_LATENCIES_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

if os.environ.get(MULTIPROCESS_DIR):
    # prometheus-client makes files in it with the first metric. For commands in a container no
    # server has made the folder yet.
    metrics_files.prepare(Path(os.environ[MULTIPROCESS_DIR]))

REQUESTS = Counter("ledger_http_requests", "Requests answered.", ["method", "route", "status"])
REQUEST_SECONDS = Histogram("ledger_http_request_seconds", "Time from a request's head to its answer.", ["route"], buckets=_LATENCIES_S)
POSTING_SECONDS = Histogram("ledger_posting_seconds", "Time of a posting transaction, retries included.", buckets=_LATENCIES_S)
POSTING_WAIT_SECONDS = Histogram("ledger_posting_wait_seconds", "Longest wait in the queue of a batch's requests.", buckets=_LATENCIES_S)
BATCH_SIZE = Histogram("ledger_posting_batch_size", "Requests in a posting transaction.", buckets=_SIZES)
LOCK_SECONDS = Histogram("ledger_lock_wait_seconds", "Time to get a batch's locks.", ["kind"], buckets=_LATENCIES_S)
KEYS_WAIT, ACCOUNTS_WAIT = LOCK_SECONDS.labels("keys"), LOCK_SECONDS.labels("accounts")
COMMANDS = Counter("ledger_commands", "Commands decided, by result: posted or refused.", ["result"])
REFUSALS = Counter("ledger_refusals", "Commands refused, by code.", ["code"])
REPLAYS = Counter("ledger_replays", "Answers given again under their idempotency key.")
FAILURES = Counter("ledger_posting_failures", "Requests that failed without a decision.", ["error"])
RETRIES = Counter("ledger_posting_retries", "Posting transactions tried again.", ["error"])
DEFERRED = Gauge("ledger_deferred_commands", "Commands that wait for a lock which somebody else holds.", multiprocess_mode="livesum")
CLOCK_REFUSALS = Counter(
    "ledger_clock_refusals", "Postings refused since a clock is wrong: the database's, or an account's last time.", ["of"]
)
FEED_LAG = Gauge("ledger_feed_lag_seconds", "How far the mark of the feed is behind the clock.", multiprocess_mode="livemax")
CONSUMER_LAG = Gauge(
    "ledger_consumer_lag_seconds",
    "Age of the oldest settled event that a consumer has not read.",
    ["consumer"],
    multiprocess_mode="livemax",
)
WEBHOOKS = Gauge("ledger_webhooks", "Webhooks, by status.", ["status"], multiprocess_mode="livemax")
WEBHOOK_DELIVERIES = Gauge(
    "ledger_webhook_deliveries", "Deliveries that are not delivered, by status; 100,000 at most.", ["status"], multiprocess_mode="livemax"
)
WEBHOOK_OLDEST = Gauge(
    "ledger_webhook_oldest_pending_seconds", "Age of the oldest delivery that an enabled webhook waits for.", multiprocess_mode="livemax"
)
WEBHOOK_ATTEMPTS = Counter("ledger_webhook_attempts", "Attempts to deliver, by outcome: delivered, pending or failed.", ["outcome"])
MAILS = Gauge(
    "ledger_receipt_mails", "Mails of receipts that are not sent, by status; 100,000 at most.", ["status"], multiprocess_mode="livemax"
)
MAIL_OLDEST = Gauge(
    "ledger_receipt_mail_oldest_pending_seconds", "Age of the oldest mail of a receipt that waits.", multiprocess_mode="livemax"
)
MAIL_ATTEMPTS = Counter(
    "ledger_receipt_mail_attempts", "Attempts to mail a receipt, by outcome: sent, pending, unwanted or failed.", ["outcome"]
)
QUEUE_DEPTH = Gauge("ledger_queue_depth", "Commands that wait to be posted.", multiprocess_mode="livesum")
POOL_CONNECTIONS = Gauge("ledger_pool_connections", "Connections of the admin's pools.", ["state"], multiprocess_mode="livesum")


def prepare_multiprocess(folder: Path) -> None:
    """Have the processes started from here share their figures in a folder.

    Files of an earlier run are removed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    os.environ[MULTIPROCESS_DIR] = str(folder)


def exposition() -> bytes:
    """Return all figures in Prometheus's text format."""
    folder = os.environ.get(MULTIPROCESS_DIR)
    if not folder or not Path(folder).is_dir():
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    registry.register(metrics_files.Collector(Path(folder)))
    return generate_latest(registry)
