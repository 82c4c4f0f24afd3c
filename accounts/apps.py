from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from core.policy import register_roles


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("Accounts")  # type: ignore[assignment]

    def ready(self) -> None:
        import_module("accounts.second_factor")
        import_module("accounts.branding")
        register_roles("account", self.get_model("AccountRole"))
        register_roles("organisation", self.get_model("OrganisationRole"))
