"""Lists of users, searches for one, erasure proofs and merges, as JSON and as text."""

from collections.abc import Sequence
from typing import Any, Final

from ..memories.erasure_proof import State, Traces
from ..memories.merge_users import Merge, MergePlan, merge_document
from ..model.census import (
    Adoption,
    Census,
    CloseUser,
    ComparedUser,
    OtherPlaces,
    StoredForm,
    StoreScan,
    UserSearch,
)
from ..model.counting import counted
from ..model.encoder import encode
from ..model.records import UserSummary
from ..model.user_id import UserId
from .audit_report import (
    compared_document,
    form_text,
    other_places_document,
    other_places_text,
    ownerless_lines,
    scan_document,
    scan_text,
)
from .text import fields, first_of, one_line, table, utc, visible, visible_id

_NAMED: Final = 5
SENTENCES: Final[dict[State, str]] = {
    "forgotten": "Nothing is left of this user, except the fact that something was forgotten.",
    "never there": "Nothing was ever stored under this id.",
    "deleted": "The memories are gone, but the history still has their texts.",
    "traces": "No text is left, but other traces are; forget the user once more.",
    "there": "There are still memories of this user.",
}


def users_document(census: Census) -> dict[str, Any]:
    return fields(census, "complete left_out damaged as_of users")


def users_text(census: Census) -> str:
    rows = [(user.memories, utc(user.last_write), one_line(user.user_id)) for user in census.users]
    total = f"{counted(census.memories, 'memory')} of {counted(len(rows), 'user')}"
    return "\n".join(
        [*table(rows), f"{total}, {one_line(census.scope)}, as of {utc(census.as_of)}"]
    )


def scanned_users_document(
    census: Census, scan: StoreScan, elsewhere: OtherPlaces
) -> dict[str, Any]:
    return {
        **users_document(census),
        "scan": scan_document(scan),
        "elsewhere": other_places_document(elsewhere),
    }


def scanned_users_text(census: Census, scan: StoreScan, elsewhere: OtherPlaces) -> str:
    return "\n\n".join([users_text(census), scan_text(scan), other_places_text(elsewhere)])


def normalized_document(raw: str, user_id: UserId, changes: Sequence[str]) -> dict[str, Any]:
    return {"raw": raw, "user_id": user_id, "changes": list(changes)}


def normalized_text(raw: str, user_id: UserId, changes: Sequence[str]) -> str:
    return "\n".join([user_id, *(f"  {change}" for change in changes)])


def user_search_document(search: UserSearch) -> dict[str, Any]:
    document = {
        **fields(search, "asked user_id changes problem user"),
        "close": [
            {
                "user_id": close.user_id,
                "memories": _memories(close),
                "first_write": close.user.first_write if close.user else None,
                "last_write": close.user.last_write if close.user else None,
                "reasons": list(close.reasons),
                **({"store": _compared(close.stored)} if search.scan else {}),
            }
            for close in search.close
        ],
        **fields(search, "placeholders memories users"),
        "complete": True,
    }
    if search.scan:
        document["store"] = _compared(search.stored)
        document["scan"] = scan_document(search.scan, users=False)
    if search.elsewhere:
        document["elsewhere"] = [
            {**fields(place, "backend where"), **fields(user, "user_id memories missing")}
            for place, user in search.elsewhere
        ]
    return {**document, "answer": search_sentence(search), **fields(search, "mentions")}


def search_sentence(search: UserSearch) -> str:
    """Return the answer in one sentence: the user, similar users, or nobody."""
    name = visible(search.user_id or "")
    if search.user and search.user.memories:
        return f"{name} has {counted(search.user.memories, 'memory')}."
    if search.stored and search.stored.unexpected:
        return (
            f"In storage under {name}, never registered: "
            f"{counted(search.stored.unexpected, 'orphan')}."
        )
    if search.memories:
        return f"A memory of {visible(search.memories[0].user_id)} has this id."
    if search.named:
        several = counted(len(search.named), "user matches", "users match")
        return "One user matches." if len(search.named) == 1 else f"{several}."
    if search.mentions:
        memories = sum(mention.memories for mention in search.mentions)
        return (
            f"{counted(memories, 'memory')} of {counted(len(search.mentions), 'user')} "
            f"{'contains' if memories == 1 else 'contain'} it."
        )
    if search.user_id is None:
        return "Not a valid id."
    similar = [close for close in search.close if _memories(close)]
    if similar:
        names = [f"{visible(close.user_id)} ({_memories(close):,})" for close in similar]
        others = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        begin = f"No memories under {name} now" if search.user else f"Nothing under {name}"
        return f"{begin}. Similar: {', '.join(names[:_NAMED])}{others}."
    if search.user:
        return f"{name} has no memories now."
    return f"Nothing was ever saved under {name}."


def user_search_text(search: UserSearch) -> str:
    rows = [("asked for", visible(search.asked))]
    if search.user_id is None:
        rows.append(("not an id", one_line(search.problem)))
    else:
        rows.append(("looked for", visible(search.user_id)))
        rows += [("", change) for change in search.changes]
        rows.append(("on record", _recorded(search.user)))
        rows.append(("", "the assistant looks here and nowhere else"))
        if search.scan:
            rows.append(("in store", _in_store(search.stored)))
            rows += [("", form_text(form)) for form in _other_forms(search.stored)]
    for memory in search.memories:
        state = "belongs to" if memory.live else "was deleted by"
        rows.append(("memory", f"{memory.id} {state} {visible(memory.user_id)}"))
    lines = [search_sentence(search), *table(rows)]
    for mention in search.mentions or ():
        lines.append(f"  {visible(mention.user_id)}  {counted(mention.memories, 'memory')}")
    if search.close:
        lines += ["", "similar ids:"]
    for close in search.close:
        stored = f", {_in_store(close.stored)}" if search.scan else ""
        reasons = ", ".join(close.reasons)
        lines.append(f"  {visible(close.user_id)}  {_recorded(close.user)}{stored}: {reasons}")
        lines += [f"    {form_text(form)}" for form in _other_forms(close.stored)]
    if search.placeholders:
        lines += ["", "under a placeholder id:"]
        lines += [f"  {visible(user.user_id)}  {_recorded(user)}" for user in search.placeholders]
    if search.scan and search.scan.nobodys:
        lines += ["", "in the store, without a valid user:", *ownerless_lines(search.scan)]
    if search.elsewhere:
        lines += ["", "in another place only:"]
        lines += [
            f"  {visible(user.user_id or '')}  {counted(user.missing, 'memory')} in {place.where}"
            for place, user in search.elsewhere
        ]
    return "\n".join([*lines, "", f"searched {counted(search.users, 'user')}, complete"])


def adoption_document(adoption: Adoption) -> dict[str, Any]:
    return {
        **fields(adoption, "user_id preview"),
        "found": len(adoption.items),
        "taken": adoption.taken,
        "forms": [fields(form, "raw vectors") for form in adoption.forms],
        "left": [fields(it, "id detail memory") for it in adoption.left if not adoption.preview],
    }


def adoption_text(adoption: Adoption) -> str:
    name = one_line(adoption.user_id)
    if not adoption.items:
        return f"Everything in the store under {name} is on record."
    forms = table((form.vectors, f"as {visible_id(form.raw)}") for form in adoption.forms)
    if adoption.preview:
        lines = [
            f"Not on record, to be adopted for {name}: {counted(len(adoption.items), 'memory')}."
        ]
        return "\n".join([*lines, *forms, "Nothing was changed; add --yes to adopt them."])
    lines = [f"Adopted for {name}: {counted(adoption.taken, 'memory')}.", *forms]
    if adoption.left:
        lines.append(f"Not adopted: {counted(len(adoption.left), 'memory')}.")
        lines += first_of([f"  {one_line(item.id)}: {item.detail}" for item in adoption.left])
    return "\n".join(lines)


def erasure_proof_document(proof: Traces) -> dict[str, Any]:
    return {
        **fields(proof, "user_id state clean as_of"),
        "record": fields(proof, "memories texts_in_history=texts events last"),
        "store": {"vectors_read": proof.vectors, "of_the_user": _compared(proof.stored)},
        "running_service": fields(proof, "memories=remembered"),
        "ids": fields(proof, "recall_receipts=receipts snapshots"),
        "elsewhere": [
            {**fields(place, "backend where"), "memories": user.memories}
            for place, user in proof.elsewhere
        ],
        "not_read": [fields(place, "backend where why=note") for place in proof.unread],
        "moved_here_from": encode(proof.former),
        "close_ids": [
            {
                **fields(close, "user_id reasons"),
                "memories": _memories(close),
                "vectors": close.stored.stored if close.stored else 0,
            }
            for close in proof.close
        ],
    }


def erasure_proof_text(proof: Traces) -> str:
    stored = proof.stored.stored if proof.stored else 0
    memories, texts = counted(proof.memories, "memory"), counted(proof.texts, "text")
    rows = [
        ("record", f"{memories}, {texts} in the history, {counted(proof.events, 'event')}"),
        ("store", f"{stored:,} of {counted(proof.vectors, 'vector')}, all read"),
        ("service", f"{counted(proof.remembered, 'memory')} in its cache"),
        (
            "ids",
            f"{counted(proof.receipts, 'recall receipt')}, "
            f"{counted(proof.snapshots, 'snapshot')} of the record",
        ),
    ]
    for place, user in proof.elsewhere:
        rows.append(("elsewhere", f"{counted(user.memories, 'memory')} in {one_line(place.where)}"))
    for place in proof.unread:
        rows.append(("not read", f"{one_line(place.where)}: {one_line(place.note)}"))
    for former in proof.former:
        texts, name = f"texts of {counted(former.memories, 'memory')}", visible(former.user_id)
        rows.append(
            ("history", f"{texts} that moved here are on record under {name}; forget that id too")
        )
    for close in proof.close:
        memories = counted(_memories(close), "memory")
        rows.append(
            ("close id", f"{visible(close.user_id)}, {memories}: {', '.join(close.reasons)}")
        )
    return "\n".join([SENTENCES[proof.state], *table(rows), f"as of {utc(proof.as_of)}"])


def merge_plan_document(plan: MergePlan) -> dict[str, Any]:
    return {
        **fields(plan, "from=former to=user_id memories to_has=theirs doubles unfinished"),
        "refused": [{"id": memory_id, "why": why} for memory_id, why in plan.refused],
    }


def merge_plan_text(plan: MergePlan) -> str:
    lines = [
        f"{counted(plan.memories, 'memory')} would move",
        f"  from  {visible(plan.former)}",
        f"  to    {visible(plan.user_id)}, who has {counted(plan.theirs, 'memory')}",
    ]
    if plan.doubles:
        lines.append(f"there already, word for word, and both kept: {plan.doubles:,}")
    if plan.unfinished:
        lines.append(f"{plan.unfinished:,} of them arrived before, by a merge that was cut off")
    return "\n".join([*lines, *_refused_lines(plan.refused)])


def merged_document(merge: Merge, undo_file: str) -> dict[str, Any]:
    return {**merge_document(merge), "undo_file": undo_file or None}


def merge_text(merge: Merge, undo_file: str) -> str:
    lines = [
        f"Moved {counted(len(merge.ids), 'memory')} from {one_line(merge.former)} to "
        f"{one_line(merge.user_id)}, {merge.verified or 0:,} read back.",
        *_refused_lines(merge.refused),
    ]
    if undo_file:
        lines.append(f"To undo this: python -m memory_core users undo {undo_file}")
    return "\n".join(lines)


def _refused_lines(refused: Sequence[tuple[str, str]]) -> list[str]:
    if not refused:
        return []
    return [
        f"{counted(len(refused), 'memory')} cannot be moved and will stay:",
        *first_of([f"  {memory_id}  {one_line(why)}" for memory_id, why in refused]),
    ]


def _compared(user: ComparedUser | None) -> dict[str, Any] | None:
    return compared_document(user) if user else None


def _other_forms(user: ComparedUser | None) -> list[StoredForm]:
    return [form for form in user.forms if not form.canonical] if user else []


def _in_store(user: ComparedUser | None) -> str:
    return f"{user.stored:,} in the store" if user and user.stored else "nothing in the store"


def _memories(close: CloseUser) -> int:
    return close.user.memories if close.user else 0


def _recorded(user: UserSummary | None) -> str:
    if user is None:
        return "nothing, ever"
    return f"{counted(user.memories, 'memory')}, last write {utc(user.last_write)}"
