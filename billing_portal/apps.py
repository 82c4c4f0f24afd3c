from importlib import import_module

from django.apps import AppConfig

from core.labels import name_fields


class PortalConfig(AppConfig):
    name = "billing_portal"
    label = "portal"

    def ready(self) -> None:
        import_module("billing_portal.checks")
        name_fields()
