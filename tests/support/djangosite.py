"""A real Django, run as a program: ``python djangosite.py SOCKET [PREFIX]``.

waitress serves it, which Plone brings along: it is how Plone's people run WSGI.
"""

from __future__ import annotations

import sys
import time

import django
import waitress
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest
from django.http import HttpResponse
from django.http import JsonResponse
from django.http import StreamingHttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

PREFIX = sys.argv[2] if sys.argv[2:] else ""


def seen(request: HttpRequest, rest: str = "") -> JsonResponse:
    """Answer with what has arrived."""
    return JsonResponse(
        {
            "path": request.path,
            "raw": request.META.get("RAW_URI", ""),
            "url": request.build_absolute_uri(),
            "secure": request.is_secure(),
            "method": request.method,
            "headers": dict(request.headers),
            "body": len(request.body),
            "rest": rest,
        }
    )


def form(request: HttpRequest) -> HttpResponse:
    """Show a form with Django's own protection, and greet whoever sends it."""
    if request.method == "POST":
        request.session["name"] = request.POST["name"]
        return redirect(request.path)
    name = request.session.get("name", "nobody")
    field = f"<input name=csrfmiddlewaretoken value={get_token(request)}>"
    return HttpResponse(f"<p>{name}</p><form method=post>{field}</form>")


def sly(request: HttpRequest) -> HttpResponse:
    """Ask the web server for a file of somebody else's, and more."""
    answer = HttpResponse("from Django")
    answer["X-Accel-Redirect"] = request.GET["to"]
    answer["X-Accel-Expires"] = "600"
    answer["Strict-Transport-Security"] = "max-age=99"
    answer["X-Powered-By"] = "Django"
    answer["Cache-Control"] = "public, max-age=600"
    return answer


def slow(request: HttpRequest) -> HttpResponse:
    """Hang."""
    time.sleep(float(request.GET.get("seconds", "30")))
    return HttpResponse("late")


def stream(_request: HttpRequest) -> StreamingHttpResponse:
    """Answer in pieces."""
    return StreamingHttpResponse(iter([b"one", b"two"]))


def broken(_request: HttpRequest) -> HttpResponse:
    """Be away, in words of its own."""
    return HttpResponse("my own words", status=503)


def away(_request: HttpRequest) -> HttpResponse:
    """Redirect to an address of its own root."""
    return redirect("/seen")


settings.configure(
    SECRET_KEY="of a test",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_X_FORWARDED_HOST=True,
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
)
urlpatterns = [
    path(f"{PREFIX}form", form),
    path(f"{PREFIX}sly", sly),
    path(f"{PREFIX}slow", slow),
    path(f"{PREFIX}stream", stream),
    path(f"{PREFIX}broken", broken),
    path(f"{PREFIX}away", away),
    path(f"{PREFIX}<path:rest>", csrf_exempt(seen)),
    path(PREFIX.rstrip("/"), csrf_exempt(seen)),
    path(PREFIX, csrf_exempt(seen)),
]

if __name__ == "__main__":
    django.setup()
    # Who asks is told by the web server in front, which is the only one who can.
    waitress.serve(
        get_wsgi_application(),
        unix_socket=sys.argv[1],
        threads=16,
        clear_untrusted_proxy_headers=False,
    )
