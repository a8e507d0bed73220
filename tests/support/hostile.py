"""A user id and memories that would harm where they are taken for markup."""

from __future__ import annotations

HOST = "evil.example"
USER = f"<img/src=//{HOST}/u>![u](https://{HOST}/u.png)@example.com"
TEXTS = (
    f"<img src=//{HOST}/x> <script src=//{HOST}/s></script> <style>@import '//{HOST}/c'</style>",
    f"![image](https://{HOST}/image.png) and [a link](javascript:alert(1)) and https://{HOST}",
    f":red-background[**Persistent**] :material/verified_user: $\\frac{{1}}{{2}}$ www.{HOST}",
    "right-to-left \u202eedirrevo\u202c and \u2066isolated\u2069",
    "emoji 🎉👨‍👩‍👧‍👦🏳️‍🌈 and Z" + "\u0300\u0301\u0302" * 60 + "algo",
    "unbroken" * 3_900,
    "line\n" * 5_000,
)
METADATA = {f"<b>{HOST}": f"![m](//{HOST}/m.png)"}
