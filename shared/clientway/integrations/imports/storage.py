"""Where the files of imports lie, and how cells leave in one."""

import io
import re
import tempfile
from typing import Any, BinaryIO
from uuid import UUID

from clientway.config import settings
from clientway.integrations.imports.schemas import Upload

MOST_BYTES = 50 * 1024 * 1024
_EXPIRES = 900
_SPOOLED = 8 * 1024 * 1024
_FORMULA = re.compile(r"^\s*[=+\-@\t\r＝＋－＠]")  # the wide ones too: East Asian spreadsheets take them for the others
_HARMLESS = re.compile(r"^[+-]?[\d][\d\s().,-]*$")


class FileProblem(Exception):  # noqa: N818  (what is wrong with the file, for its owner)
    """The file is not there or too large."""


def key(tenant_id: UUID, import_id: UUID) -> str:
    """The object's key in the bucket."""
    return f"{tenant_id}/{import_id}"


def upload(object_key: str) -> Upload:
    """A URL that takes the file for a quarter of an hour."""
    given = {"Bucket": settings().import_bucket, "Key": object_key}
    url = _s3().generate_presigned_url("put_object", Params=given, ExpiresIn=_EXPIRES)
    return Upload(url=url, expires_in_seconds=_EXPIRES)


def open_file(object_key: str, content: bytes | None) -> BinaryIO:
    """The bytes of an import, seekable: its inline content, or else the object of this key. Raises FileProblem."""
    if content is not None:
        return io.BytesIO(content)
    s3 = _s3()
    given = {"Bucket": settings().import_bucket, "Key": object_key}
    try:
        size = s3.head_object(**given)["ContentLength"]
    except s3.exceptions.ClientError:
        raise FileProblem("the file was not uploaded") from None
    if size > MOST_BYTES:
        raise FileProblem(f"the file has {size} bytes; at most {MOST_BYTES} are taken")
    file = tempfile.SpooledTemporaryFile(max_size=_SPOOLED)  # noqa: SIM115  (the caller closes it)
    s3.download_fileobj(given["Bucket"], given["Key"], file)
    return file  # type: ignore[return-value]


def defused(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP: CSV injection); plain numbers and phones stay as they are."""
    return "'" + cell if _FORMULA.match(cell) and not _HARMLESS.match(cell) else cell


def _s3() -> Any:
    # 0.3 s; only imports of files need it.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    # Signature Version 4 and the region's own host. By default a URL may be signed the old way, or lead to the global host,
    # which sends uploads to a young bucket on by a redirect that no signature survives.
    return boto3.client("s3", config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}))
