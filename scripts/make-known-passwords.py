"""Write dashboard/auth/known_passwords.txt: 10,000 of the most used passwords, in small letters.

Run it where `zxcvbn` is installed (MIT licence); its list is sorted, the most used first. All that
are long enough to be a password here are taken, then the first of the others.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from zxcvbn.frequency_lists import FREQUENCY_LISTS

FILE = Path(__file__).parent.parent / "dashboard" / "auth" / "known_passwords.txt"
NUMBER = 10_000
SHORTEST, LONG = 4, 12

ranked = (password.casefold() for password in FREQUENCY_LISTS["passwords"])
known = list(dict.fromkeys(password for password in ranked if len(password) >= SHORTEST))
known.sort(key=lambda password: len(password) < LONG)
lines = textwrap.wrap(
    " ".join(known[:NUMBER]), 1000, break_long_words=False, break_on_hyphens=False
)
FILE.write_text("\n".join(lines) + "\n", "utf-8")
