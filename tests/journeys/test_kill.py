"""A power cut in the midst of an import: what was promised is kept, nothing is lost and nothing is done twice."""

from tests.served import eventually, served

ROWS = 2400


def test_an_import_outlives_the_system():
    rows = [{"id": str(number), "name": f"Place {number}", "address": f"{number} Elm Street", "city": "Austin"} for number in range(ROWS)]
    rows += rows[:50]
    with served(CLIENTWAY_WORKERS="2") as stack:
        known = len(stack.call("GET", "/api/organizations?limit=100").json["data"])
        one = stack.call("POST", "/api/imports", {"source": "cut", "rows": rows}).json["id"]

        def state():
            return stack.call("GET", f"/api/imports/{one}").json

        eventually(lambda: state()["status"] == "previewed", seconds=60)
        assert stack.call("POST", f"/api/imports/{one}/commit").status == 202
        done = eventually(lambda: state()["counts"]["done"], seconds=60)
        stack.kill()
        stack.start()
        assert 0 < done < len(rows)
        assert state()["status"] in {"queued", "running"}, "it was over before the cut: the test needs more rows"

        counts = eventually(lambda: state()["status"] == "completed" and state()["counts"], seconds=60)

        assert counts == {"total": ROWS + 50, "done": ROWS + 50, "created": ROWS, "updated": 0, "skipped": 50, "failed": 0, "undone": 0}
        assert known == 60
        seen, cursor = [], ""
        while cursor is not None:
            page = stack.call("GET", f"/api/organizations?source=cut&limit=100&sort=name{cursor}").json
            seen += [found["legal_name"] for found in page["data"]]
            cursor = f"&cursor={page['next_cursor']}" if page["has_more"] else None
        assert sorted(seen) == sorted(row["name"] for row in rows[:ROWS])
        outcomes, cursor = [], ""
        while cursor is not None:
            page = stack.call("GET", f"/api/imports/{one}/rows?limit=100{cursor}").json
            outcomes += [row["row_number"] for row in page["data"]]
            cursor = f"&cursor={page['next_cursor']}" if page["has_more"] else None
        assert sorted(outcomes) == list(range(1, len(rows) + 1))
