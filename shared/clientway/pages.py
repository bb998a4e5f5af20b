"""The pages that people open in a browser: one look, no framework, and nothing loaded from elsewhere."""

import base64
import hashlib
from functools import cache

_STYLE = """
:root{color-scheme:light;--ink:#1d2433;--dim:#5b6478;--blue:#2f5bea}
*{box-sizing:border-box}
body{margin:0;font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;background:#f5f7fb;color:var(--ink)}
main{max-width:27rem;margin:12vh auto 2rem;padding:2rem;background:#fff;border:1px solid #e6e9ef;border-radius:14px}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 1rem}
p{margin:0 0 1rem;overflow-wrap:anywhere}main>:last-child,form>:last-child{margin-bottom:0}form+p{margin-top:1rem}
.dim{color:var(--dim);font-size:.9rem}
label{display:block;font-weight:600;font-size:.9rem;margin-bottom:1rem}
input{display:block;font:inherit;width:100%;padding:.6rem .7rem;margin-top:.3rem;border:1px solid #cfd6e4;border-radius:8px}
button{font:inherit;font-weight:600;width:100%;padding:.65rem 1rem;margin-bottom:1rem;border:0;border-radius:8px;background:var(--blue);
 color:#fff;cursor:pointer}
button:hover{background:#244bd0}
:focus-visible{outline:2px solid var(--blue);outline-offset:2px}
[role=status]{background:#e4ebff;border-radius:8px;padding:.6rem .8rem}[role=status]:empty,[hidden]{display:none}
@media(max-width:30rem){body{background:#fff}main{margin:0;padding:2rem 1.2rem;border:0}}
"""


def html(title: str, body: str, *, script: str = "") -> str:
    """A page: `body` is HTML already, `script` runs after it."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">
<title>{title}</title><style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
{f"<script>{script}</script>" if script else ""}
</body>
</html>
"""


@cache
def headers(*, script: str = "") -> dict[str, str]:
    """What keeps a page to itself: nothing loaded from elsewhere, no frame around it, no referrer sent on, no copy kept.

    One with a script talks to its own origin and submits no form; one without submits its forms there.
    """
    policy = ["default-src 'none'", f"style-src {_source(_STYLE)}", "frame-ancestors 'none'", "base-uri 'none'"]
    policy += [f"script-src {_source(script)}", "connect-src 'self'", "form-action 'none'"] if script else ["form-action 'self'"]
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def _source(inline: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}'"
