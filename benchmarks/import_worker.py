"""One call of the import worker in a process of its own: prints its milliseconds and the peak memory. See imports.py."""

import json
import resource
import sys
import time
from uuid import UUID

from clientway.integrations.imports import worker

started = time.perf_counter()
worker.work(UUID(sys.argv[1]), UUID(sys.argv[2]), sys.argv[3])
# In kilobytes on Linux, in bytes on macOS.
unit = 1024**2 if sys.platform == "darwin" else 1024
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
print(json.dumps({"milliseconds": (time.perf_counter() - started) * 1000, "peak_mib": peak}))
