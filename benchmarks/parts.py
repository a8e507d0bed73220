"""The parts of the benchmark, in the order in which they run."""

from __future__ import annotations

from collections.abc import Mapping

from . import dashboard_memory, importing, migrating, querying, retrieval, s3, saving, tasks, users
from .rows import Part

PARTS: Mapping[str, Part] = {
    "importing": Part(importing.measure, "Importing the package into a new interpreter"),
    "saving": Part(saving.measure, "Saving one text in the embedded default"),
    "querying": Part(querying.measure, "Answering one question in the embedded default"),
    "s3": Part(s3.measure, "S3 Vectors on the stand-in: requests and time of each call"),
    "migrating": Part(migrating.measure, "Migrating a ChromaDB folder to S3 Vectors"),
    "users": Part(users.measure, "Counting, finding and drawing many users"),
    "dashboard-memory": Part(
        dashboard_memory.measure, "Memory and cold loads of the running dashboard"
    ),
    "tasks": Part(tasks.measure, "Clicks, keys and seconds of seven tasks in the dashboard"),
    "retrieval": Part(retrieval.measure, "Recall over the example questions; higher is better"),
}
