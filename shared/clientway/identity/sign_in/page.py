"""The page behind the mail's link. Opening it changes nothing: a person presses the button, and a script POSTs.

The token stands in the fragment, which no browser sends and no log keeps; the script takes it out of the address at once.
One page for staff, for portal contacts (`#portal=…&tenant=…`) and for people on their own behalf (`#person=1`).
"""

from clientway import pages

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
  if (!answer.ok) throw {detail: read.detail};
  return read;
}
function on(id, act) {
  part(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    try { await act(); } catch (error) {
      // Without the server's own words the connection broke, or something in between answered.
      say(error.detail || "That did not work. Please try again in a moment.");
      if (id === "by-link" && error.detail) show("ask");
    }
  });
}
function done(read) {
  for (const form of document.forms) form.hidden = true;
  document.querySelector("h1").textContent = "Signed in";
  say("You are signed in" + (read.tenant ? " to " + read.tenant.name : "") + ".");
  part("next").hidden = Boolean(portal || person);
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
_BODY = """<p id="said" role="status"></p>
<form id="by-link" hidden><p>Press the button to sign in on this device.</p><button>Sign in</button></form>
<form id="ask" hidden>
<p>You need no password: we send you a link and a code.</p>
<label>E-mail address<input id="email" type="email" autocomplete="email" required maxlength="254"></label><button>Send me a link</button>
</form>
<form id="by-code" hidden>
<label>Six-digit code from the mail
<input id="code" inputmode="numeric" autocomplete="one-time-code" pattern="[0-9]{6}" maxlength="6" required></label>
<button>Sign in</button>
</form>
<p id="next" hidden><a href="/docs">Go on to the API reference</a></p>
<noscript>This page needs JavaScript.</noscript>"""


def html() -> str:
    """The page."""
    return pages.html("Sign in", _BODY, script=_SCRIPT)


def headers() -> dict[str, str]:
    """What keeps the page to itself."""
    return pages.headers(script=_SCRIPT)
