"""What of nginx is in files of its own, and may be there or not."""

from __future__ import annotations

from pathlib import Path

FOLDERS = ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules")
"""Where Debian's and Red Hat's packages put them."""

PURGE = "ngx_http_cache_purge_module.so"
PURGE_PACKAGE = "libnginx-mod-http-cache-purge"


def purge() -> str:
    """Return the module that drops single answers, empty where it is not installed."""
    found = (Path(folder, PURGE) for folder in FOLDERS)
    return next((str(path) for path in found if path.is_file()), "")
