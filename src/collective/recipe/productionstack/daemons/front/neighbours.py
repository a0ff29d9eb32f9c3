"""What every web server needs for applications beside the sites."""

from __future__ import annotations

from collective.recipe.productionstack.daemons.front import words
from collective.recipe.productionstack.model.application import Application

TYPES = (
    ("text/html", "html htm shtml"),
    ("text/css", "css"),
    ("text/javascript", "js mjs"),
    ("text/plain", "txt log"),
    ("text/markdown", "md"),
    ("text/csv", "csv"),
    ("text/calendar", "ics"),
    ("text/xml", "xml xsd"),
    ("application/json", "json map"),
    ("application/ld+json", "jsonld"),
    ("application/manifest+json", "webmanifest"),
    ("application/geo+json", "geojson"),
    ("application/rss+xml", "rss"),
    ("application/atom+xml", "atom"),
    ("application/wasm", "wasm"),
    ("application/pdf", "pdf"),
    ("application/epub+zip", "epub"),
    ("application/zip", "zip"),
    ("application/gzip", "gz tgz"),
    ("application/x-bzip2", "bz2"),
    ("application/x-xz", "xz"),
    ("application/x-7z-compressed", "7z"),
    ("application/x-tar", "tar"),
    ("application/java-archive", "jar"),
    ("application/rtf", "rtf"),
    ("application/msword", "doc"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.ms-powerpoint", "ppt"),
    ("application/vnd.oasis.opendocument.text", "odt"),
    ("application/vnd.oasis.opendocument.spreadsheet", "ods"),
    ("application/vnd.oasis.opendocument.presentation", "odp"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    (
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "pptx",
    ),
    ("font/woff", "woff"),
    ("font/woff2", "woff2"),
    ("font/ttf", "ttf"),
    ("font/otf", "otf"),
    ("application/vnd.ms-fontobject", "eot"),
    ("image/png", "png"),
    ("image/jpeg", "jpg jpeg"),
    ("image/gif", "gif"),
    ("image/webp", "webp"),
    ("image/avif", "avif"),
    ("image/svg+xml", "svg svgz"),
    ("image/x-icon", "ico"),
    ("image/tiff", "tif tiff"),
    ("audio/mpeg", "mp3"),
    ("audio/ogg", "ogg oga opus"),
    ("audio/mp4", "m4a"),
    ("audio/flac", "flac"),
    ("audio/wav", "wav"),
    ("video/mp4", "mp4 m4v"),
    ("video/webm", "webm"),
    ("video/ogg", "ogv"),
    ("video/quicktime", "mov"),
    ("application/vnd.apple.mpegurl", "m3u8"),
    ("video/mp2t", "ts"),
    ("text/vtt", "vtt"),
)
"""What a file is by its ending (IANA's registry); anything else is only saved."""


def scripts(application: Application) -> str:
    """Return a regular expression for the scripts that may run beside the front."""
    single = [one for one in application.scripts if not one.endswith("/")]
    found = list(words.patterns(single))
    if inside := script_folders(application):
        found.append(f"{inside}(?:[^/]+/)*?[^/]+?[.]php")
    return "|".join(found)


def script_folders(application: Application) -> str:
    """Return one for the folders whose scripts may run, empty where there are none."""
    folders = [one for one in application.scripts if one.endswith("/")]
    return f"(?:{'|'.join(words.patterns(folders))})" if folders else ""


VALUES = {"scripts": scripts, "script_folders": script_folders, "types": TYPES}
"""What templates are given besides."""
