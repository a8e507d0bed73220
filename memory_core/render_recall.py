"""What a question would find, and why the rest is left out, as JSON and as text for a terminal."""

from __future__ import annotations

from typing import Any, Final

from .encoder import pick
from .explaining import Ranked, Reason, Recall
from .render import counted, one_line, search_document
from .render_scan import visible

REASONS: Final[dict[Reason, str]] = {
    "limit": "behind the limit",
    "expired": "past its expiry date",
    "not indexed": "not in the index that was asked",
    "missed": "missed by the approximate search",
}
_SHOWN = 30


def recall_document(recall: Recall) -> dict[str, Any]:
    return {
        **search_document(recall.user_id, recall.answer),
        **pick(recall, "question", "limit", "memories", "left_out"),
        "ranking": [
            {
                **pick(one.hit.memory, "id", "memory"),
                "rank": one.hit.rank,
                "place": one.place,
                "left_out": one.reason,
                "score": round(one.hit.score, 4),
                **pick(one.hit.memory, "agent_id", "run_id", "expires"),
            }
            for one in recall.ranking
        ],
        "elsewhere": [
            {
                "user_id": one.user.user_id,
                "reasons": list(one.user.reasons),
                "memories": one.user.user.memories if one.user.user else 0,
                "memory": one.best.memory.memory,
                "score": round(one.best.score, 4),
            }
            for one in recall.elsewhere
        ],
    }


def recall_text(recall: Recall) -> str:
    lines = [
        f"{'rank':>4}  {'answer':>6}  score",
        *(_line(one) for one in recall.ranking[:_SHOWN]),
    ]
    if not recall.memories:
        lines = [f"{one_line(recall.user_id)} has no memories."]
    lines.append(told(recall))
    for one in recall.elsewhere:
        lines.append(
            f"Another id, so never asked: {visible(one.user.user_id)} "
            f"({', '.join(one.user.reasons)}) has {one.best.score:.2f}  "
            f"{one_line(one.best.memory.memory)}"
        )
    return "\n".join(lines)


def told(recall: Recall) -> str:
    """Return in one sentence how much is answered, and by which rules how much is not."""
    answered = f"{len(recall.answer.hits):,} of {counted(recall.memories, 'memory')} answered"
    left = [f"{count:,} {REASONS[reason]}" for reason, count in recall.left_out.items()]
    how = "ranked exactly" if recall.answer.complete else "asked of the index"
    return f"{', '.join([answered, *left])}; {how}."


def _line(one: Ranked) -> str:
    place = one.place or "-"
    why = f"  ({REASONS[one.reason]})" if one.reason else ""
    memory = one_line(one.hit.memory.memory)
    return f"{one.hit.rank:>4}  {place:>6}  {one.hit.score:.2f}  {memory}{why}"
