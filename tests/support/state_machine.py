"""A model of memories as dictionaries, to compare the service with."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from memory_core import MemoryService, Settings, open_service
from memory_core.errors import MemoryNotFound
from memory_core.model.records import MemoryRecord, SearchMode

USERS = ["ann", "Ann ", "bob", "."]


# Texts that share words, so that finding one is not a matter of chance.
TEXTS = [
    "Likes green tea in the morning",
    "Likes black tea in the evening",
    "Allergic to rye bread",
    "Allergic to rye bread and nuts",
    "Lives in Łódź, ulica Piotrkowska 12",
    "אוהבת תה ירוק",
    "緑茶が好きです",
    "!!!",
    "The code is 4711",
    "The code is 4712",
]


texts = st.sampled_from(TEXTS)
users = st.sampled_from(USERS)


class MemoriesMachine(RuleBasedStateMachine):
    """The model: for each canonical user, id -> text in the order of saving."""

    known = Bundle("known")
    moments = Bundle("moments")

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.model: dict[str, dict[str, str]] = {}
        self.service = self._open()

    def teardown(self) -> None:
        self.service.close()
        self.folder.cleanup()

    def _open(self) -> MemoryService:
        data_dir = Path(self.folder.name, "data")
        return open_service(Settings.from_env({"MEMORY_DATA_DIR": str(data_dir)}))

    def _of(self, user: str) -> dict[str, str]:
        return self.model.setdefault(user.strip().lower(), {})

    @rule()
    def reopen(self) -> None:
        self.service.close()
        self.service = self._open()

    @rule(target=known, user=users, text=texts, verify=st.booleans())
    def save(self, user: str, text: str, verify: bool) -> tuple[str, str]:
        model = self._of(user)
        (record,) = self.service.add_text_memory(user, text, verify=verify)
        assert record.already_stored == (text in model.values())
        if record.already_stored:
            assert model[record.id] == text
        else:
            assert record.id not in model
            model[record.id] = text
        return user, record.id

    @rule(target=known, user=users, several=st.lists(texts, min_size=1, max_size=4))
    def save_several(self, user: str, several: list[str]) -> object:
        model = self._of(user)
        messages = [{"role": "user", "content": text} for text in several]
        saved = self.service.add_messages(user, messages, infer=False)
        assert {record.memory for record in saved} == set(several)
        for record in saved:
            assert record.already_stored == (record.memory in model.values())
        for record in saved:
            model.setdefault(record.id, record.memory)
        return multiple(*[(user, record.id) for record in saved])

    @rule(one=known, text=texts, verify=st.booleans())
    def update(self, one: tuple[str, str], text: str, verify: bool) -> None:
        user, memory_id = one
        model = self._of(user)
        if memory_id not in model:
            with pytest.raises(MemoryNotFound):
                self.service.update_memory(user, memory_id, text, verify=verify)
            return
        assert self.service.update_memory(user, memory_id, text, verify=verify).id == memory_id
        model[memory_id] = text

    @rule(one=consumes(known))
    def delete(self, one: tuple[str, str]) -> None:
        user, memory_id = one
        if self._of(user).pop(memory_id, None) is None:
            with pytest.raises(MemoryNotFound):
                self.service.delete_memory(user, memory_id)
        else:
            assert self.service.delete_memory(user, memory_id, verify=True).left == 0

    @rule(user=users, forget=st.booleans())
    def delete_user(self, user: str, forget: bool) -> None:
        if forget:
            receipt = self.service.forget_user(user)
        else:
            receipt = self.service.delete_user(user, verify=True)
        assert (receipt.removed, receipt.left) == (len(self._of(user)), 0)
        self._of(user).clear()

    @rule(target=moments, user=users)
    def note_the_state(self, user: str) -> object:
        events = self.service.history(user, last=1)
        return multiple(*[(user, event.event_id, dict(self._of(user))) for event in events])

    @rule(moment=moments, text=texts)
    def restore(self, moment: tuple[str, str, dict[str, str]], text: str) -> None:
        user, event_id, then = moment
        if self.service.memories_at(user, event_id).forgotten:
            with pytest.raises(MemoryNotFound):
                self.service.restore_user(user, event_id)
            return
        before = dict(self._of(user))
        receipt = self.service.restore_user(user, event_id)
        assert receipt.verified == len(receipt.changes)
        listed = {record.id: record.memory for record in self.service.list_memories(user)}
        assert listed == then
        if text in TEXTS[:5]:
            self.service.restore_user(user, receipt.before, where=receipt.undo)
        else:
            before = then
        self.model[user.strip().lower()] = dict(before)

    @rule(one=known)
    def get(self, one: tuple[str, str]) -> None:
        user, memory_id = one
        if text := self._of(user).get(memory_id):
            assert self.service.get_memory(user, memory_id).memory == text
        else:
            with pytest.raises(MemoryNotFound):
                self.service.get_memory(user, memory_id)

    @rule(user=users, text=texts, index=st.booleans())
    def query(self, user: str, text: str, index: bool) -> None:
        mode: SearchMode = "index" if index else "exact"
        model = self._of(user)
        hits = self.service.search(user, text, limit=50, mode=mode).hits
        found = {hit.memory.id: hit.memory.memory for hit in hits}
        assert found == model
        if text in model.values():
            assert hits[0].memory.memory == text

    @invariant()
    def the_list_is_the_model(self) -> None:
        for user in ("ann", "bob", "."):
            listed: list[MemoryRecord] = self.service.list_memories(user)
            assert [(one.id, one.memory) for one in reversed(listed)] == [*self._of(user).items()]
            assert all(one.indexed for one in listed)

    @invariant()
    def the_counts_are_the_models(self) -> None:
        counts = {user: len(model) for user, model in self.model.items() if model}
        assert {one.user_id: one.memories for one in self.service.users()} == counts
        assert [*self.service.storage().values()] == [sum(counts.values()), 0]
