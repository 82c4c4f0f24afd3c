"""Django's admin with the staff's own pages. Apart from `apps.py`, where Django looks for the portal's own config."""

from django.contrib.admin.apps import AdminConfig


class StaffConfig(AdminConfig):
    default_site = "billing_portal.staff.site.StaffSite"
