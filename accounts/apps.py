from django.apps import AppConfig

from core.policy import register_roles


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        register_roles("account", self.get_model("AccountRole"))
        register_roles("organisation", self.get_model("OrganisationRole"))
