from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PaymentsConfig(AppConfig):
    name = "payments"
    verbose_name = _("Payments")  # type: ignore[assignment]

    def ready(self) -> None:
        import_module("payments.checks")
        import_module("payments.previews")
