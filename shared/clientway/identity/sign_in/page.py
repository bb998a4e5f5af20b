"""The page behind the mail's link. Opening it changes nothing: a person presses the button, and a script POSTs.

The token stands in the fragment, which no browser sends and no log keeps; the script takes it out of the address at once.
One page for staff, for portal contacts (`#portal=…&tenant=…`) and for people on their own behalf (`#person=1`).
"""

import base64
import hashlib
from functools import cache

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:12vh auto;padding:0 1rem;color:#1a1a1a}
input,button{font:inherit;width:100%;padding:.6em;margin:.3em 0 .9em;box-sizing:border-box;border:1px solid #999;border-radius:4px}
button{background:#1f4e79;border-color:#1f4e79;color:#fff;cursor:pointer}
[hidden]{display:none}#said{min-height:3em}
"""
_SCRIPT = """
"use strict";
const given = new URLSearchParams(location.hash.slice(1));
history.replaceState(null, "", location.pathname);
const token = given.get("token"), portal = given.get("portal"), tenant = given.get("tenant"), person = given.has("person");
const base = portal ? "/api/portal/" + encodeURIComponent(portal) + "/sign-in" : "/api/sign-in/email";
const asks = person ? "/api/person/sign-up" : base, verifies = person ? "/api/person/verify" : base + "/verify";
const part = (id) => document.getElementById(id);
const show = (id) => { for (const form of document.forms) form.hidden = form.id !== id; };
const say = (text) => { part("said").textContent = text; };
async function post(path, body) {
  const headers = {"content-type": "application/json"};
  const answer = await fetch(path, {method: "POST", credentials: "same-origin", headers, body: JSON.stringify(body)});
  const read = await answer.json();
  if (!answer.ok) throw new Error(read.detail || "That did not work.");
  return read;
}
function on(id, act) {
  part(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    try { await act(); } catch (error) { say(error.message); if (id === "by-link") show("ask"); }
  });
}
function done(read) {
  for (const form of document.forms) form.hidden = true;
  say("You are signed in" + (read.tenant ? " to " + read.tenant.name : "") + ".");
}
on("ask", async () => {
  const body = {email: part("email").value.trim()};
  if (tenant) body.tenant = tenant;
  say((await post(asks, body)).message); show("by-code");
});
on("by-link", async () => done(await post(verifies, {token})));
on("by-code", async () => done(await post(verifies, {code: part("code").value.trim()})));
show(token ? "by-link" : "ask");
"""
_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">
<title>Sign in</title><style>{_STYLE}</style>
</head>
<body>
<h1>Sign in</h1>
<p id="said" role="status"></p>
<form id="by-link" hidden><p>Press the button to sign in on this device.</p><button>Sign in</button></form>
<form id="ask" hidden>
<label>E-mail address<input id="email" type="email" autocomplete="email" required maxlength="254"></label><button>Send me a link</button>
</form>
<form id="by-code" hidden>
<label>Six digits from the mail<input id="code" inputmode="numeric" autocomplete="one-time-code" pattern="[0-9]{{6}}" required></label>
<button>Sign in</button>
</form>
<noscript>This page needs JavaScript.</noscript>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def html() -> str:
    """The page."""
    return _PAGE


@cache
def headers() -> dict[str, str]:
    """What keeps the page to itself: nothing loaded from elsewhere, no frame around it, no referrer sent on."""
    policy = (
        f"default-src 'none'; script-src {_source(_SCRIPT)}; style-src {_source(_STYLE)}; connect-src 'self'; "
        "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def _source(inline: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}'"
