"""The reference as it is served: the contract, and the page that shows it."""

import json
import re


def test_the_page_holds_the_contract_and_loads_nothing(invoke):
    page = invoke("operations/docs", token=None)
    contract = invoke("operations/openapi", token=None)

    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    # What the parser takes for the end of a script is its end, also inside a string.
    assert page.body.count("</script>") == 2
    [shown] = re.findall(r"SwaggerUIBundle\(\{spec: (\{.*\}), dom_id:", page.body)
    assert json.loads(shown) == json.loads(contract.body)
    assert re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", page.body) == []
