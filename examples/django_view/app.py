"""A whole Django project in one file: upload a list, get its id, look at its progress.

    python examples/django_view/app.py runserver

Views only load lists and read the ledger. Sending is the workers' business, on any
machine (`dispatcher worker`), so that the web server may be restarted at any moment.
Put your login in front of it: whoever may call this sends messages at your expense.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, wraps
from http import HTTPStatus
from typing import BinaryIO, Concatenate, ParamSpec, cast

import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import Context, Engine
from django.template.context_processors import csrf
from django.urls import path
from django.utils.crypto import get_random_string
from django.views.decorators.http import require_GET, require_POST

from dispatcher import (
    Campaign,
    Dispatcher,
    InvalidInput,
    LedgerError,
    Refused,
    UnknownCampaign,
    read_recipients,
)

P = ParamSpec("P")

settings.configure(
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
    ROOT_URLCONF=__name__,
    # A real project has a lasting one; this one ends open forms with each restart.
    SECRET_KEY=get_random_string(50),
)
django.setup()


@cache
def dispatcher() -> Dispatcher:
    """One for each process; any number of threads may use it.

    Made at the first request and not at import: servers import first and fork then,
    and connections must not be shared across a fork.
    """
    return Dispatcher()


#: What the library's errors mean in HTTP; the first kind that fits.
STATUS = {
    InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnknownCampaign: HTTPStatus.NOT_FOUND,
    Refused: HTTPStatus.CONFLICT,
    LedgerError: HTTPStatus.SERVICE_UNAVAILABLE,
}


def tells_errors(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Answer with the library's own sentence: none holds a number or a text."""

    @wraps(view)
    def told(
        request: HttpRequest, /, *args: P.args, **options: P.kwargs
    ) -> HttpResponse:
        try:
            return view(request, *args, **options)
        except tuple(STATUS) as error:
            status = next(
                code for kind, code in STATUS.items() if isinstance(error, kind)
            )
            return JsonResponse({"error": str(error)}, status=status)

    return told


FORM = Engine().from_string("""<!doctype html><title>Send</title>
<form action="/campaigns" method="post" enctype="multipart/form-data">
{% csrf_token %}<input type="hidden" name="id" value="{{ id }}">
<p>From <input name="sender" placeholder="+19195551212" required>
<p>Text <textarea name="text" required></textarea>
<p>List <input type="file" name="list" required>
<p><button>Send</button></form>""")


@require_GET
def form(request: HttpRequest) -> HttpResponse:
    """The form, with the id of the campaign that it will make.

    The id is made here and not when the form arrives. So a double click, the
    browser's reload or a proxy's second try all submit the same campaign.
    """
    context = Context({"id": f"web-{get_random_string(16)}", **csrf(request)})
    return HttpResponse(FORM.render(context))


@require_POST
@tells_errors
def submit(request: HttpRequest) -> HttpResponse:
    """Load the list. Once this has answered, every group will be seen to."""
    upload = request.FILES.get("list")
    if upload is None or upload.file is None:
        raise InvalidInput("choose a list")
    run = dispatcher().submit(
        Campaign(sender=request.POST.get("sender", ""), text=request.POST.get("text")),
        # Read row by row from where Django put it, in memory or on disk.
        read_recipients(cast("BinaryIO", upload.file)),
        # Not None, which would mean a random id: repeating would send again.
        id=request.POST.get("id", ""),
    )
    return JsonResponse({"id": run.id} | run.progress().as_row(), status=202)


@require_GET
@tells_errors
def progress(request: HttpRequest, id: str) -> HttpResponse:  # noqa: ARG001
    """Counts by state; cheap however long the list, so a page may ask every second."""
    return JsonResponse(dispatcher().campaign(id).progress().as_row())


urlpatterns = [
    path("", form),
    path("campaigns", submit),
    path("campaigns/<str:id>", progress),
]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
