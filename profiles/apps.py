from django.apps import AppConfig

from core.policy import register_roles


class ProfilesConfig(AppConfig):
    name = "profiles"

    def ready(self) -> None:
        register_roles("profile", self.get_model("ProfileRole"))
