"""What `core` sets up before anything else is imported."""

from django.apps import AppConfig
from django.urls import register_converter
from django.utils.translation import gettext_lazy as _

from core import lookups
from core.codes import CodeConverter


class CoreConfig(AppConfig):
    name = "core"
    verbose_name = _("Mail and background work")  # type: ignore[assignment]

    def ready(self) -> None:
        """Every address may have a public identifier in it, whichever URLconf is imported first; every query may ask
        for many keys at once."""
        register_converter(CodeConverter, "code")
        lookups.register()
