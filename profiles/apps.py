from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from core.policy import register_roles


class ProfilesConfig(AppConfig):
    name = "profiles"
    verbose_name = _("Billing profiles")  # type: ignore[assignment]

    def ready(self) -> None:
        register_roles("profile", self.get_model("ProfileRole"), awake=import_module("profiles.querysets").AWAKE)
        import_module("profiles.services.roles")
