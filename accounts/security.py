"""The words for what happened to a person's way in: said in mails, in the language of the reader."""

from django.utils.translation import gettext_lazy as _

SECURITY_EVENTS = {
    "contact_email_changed": _("Your contact e-mail was changed."),
    "contact_email_removed": _("Your contact e-mail was removed. Mail goes to the address you sign in with."),
    "alternate_email_changed": _("Your alternate e-mail was changed."),
    "alternate_email_removed": _("Your alternate e-mail was removed."),
    "phone_changed": _("Your mobile phone was changed."),
    "password_vouched": _("An administrator had a link for a new password sent to you."),
    "deactivated": _("You were deactivated, so you can no longer sign in."),
    "reactivated": _("You were activated again, so you can sign in."),
    "factors_removed": _("The vendor removed the second factors of your sign-in, on request."),
    "totp_activated": _("An authenticator app was added to your sign-in."),
    "totp_deactivated": _("The authenticator app was removed from your sign-in."),
    "webauthn_added": _("A passkey was added to your sign-in."),
    "webauthn_removed": _("A passkey was removed from your sign-in."),
    "recovery_codes_generated": _("You have new recovery codes. The ones from before no longer work."),
    "phone_removed": _("Your mobile phone was removed."),
}
