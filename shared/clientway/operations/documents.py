"""The contract and its page, as the functions serve them."""

import json
from functools import cache
from importlib.resources import files

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Clientway API</title><style>{css}</style></head>
<body>
<div id="swagger-ui"></div>
<script>{js}</script>
<script>
SwaggerUIBundle({{spec: {spec}, dom_id: "#swagger-ui", deepLinking: true, filter: true, docExpansion: "none", persistAuthorization: true,
  requestInterceptor: (request) => {{ request.headers["X-Clientway-CSRF"] = "1"; return request; }},
  layout: "BaseLayout", presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset]}});
</script>
</body>
</html>
"""


@cache
def openapi() -> str:
    """The checked-in OpenAPI document; `make openapi` writes it from the handlers."""
    return (files("clientway.operations") / "openapi.json").read_text()


@cache
def page() -> str:
    """Swagger UI with the document inside: one answer, nothing loaded from elsewhere. Whoever is signed in can try changes, too."""
    assets = files("aws_lambda_powertools.event_handler.openapi.swagger_ui")
    css, js = ((assets / name).read_text() for name in ("swagger-ui.min.css", "swagger-ui-bundle.min.js"))
    # "</" would end the script element in the middle of a string.
    spec = json.dumps(json.loads(openapi())).replace("</", "<\\/")
    return _PAGE.format(css=css, js=js, spec=spec)
