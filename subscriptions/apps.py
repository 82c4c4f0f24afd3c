from importlib import import_module

from django.apps import AppConfig


class SubscriptionsConfig(AppConfig):
    name = "subscriptions"

    def ready(self) -> None:
        import_module("subscriptions.services.viewers")
