from importlib import import_module

from django.apps import AppConfig


class SandboxConfig(AppConfig):
    name = "payments.gateways.sandbox"
    label = "sandbox"

    def ready(self) -> None:
        import_module("payments.gateways.sandbox.checks")
