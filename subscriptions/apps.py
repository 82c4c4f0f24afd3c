from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SubscriptionsConfig(AppConfig):
    name = "subscriptions"
    verbose_name = _("Subscriptions")  # type: ignore[assignment]

    def ready(self) -> None:
        import_module("subscriptions.services.viewers")
