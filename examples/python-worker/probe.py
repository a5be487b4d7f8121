#!/usr/bin/env python3
"""One round of probes: the addresses of this worker, one after the other.

It is started again after every round, so it always knows the present number of workers and the
present addresses. An exit code other than 0 would be an error of the worker, followed by a
growing pause; an address that does not answer is none.
"""
import json
import os
import time
import urllib.error
import urllib.request

index = int(os.environ["XCONSUMER_INDEX"])
count = int(os.environ["XCONSUMER_COUNT"])
urls = json.loads(os.environ["XCONSUMER_PARAMS"])["urls"]

for url in urls[index::count]:
    began = time.monotonic()
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            result = answer.status
    except urllib.error.HTTPError as error:
        result = error.code
    except OSError as error:  # URLError and timeouts among them
        result = error
    print(f"{url}: {result} after {1000 * (time.monotonic() - began):.0f} ms", flush=True)
