"""Settings of the portal: one module, safe by default, everything from the environment.

`.env.example` and docs/operations.md list the variables. A missing secret stops the start with its
name; DEBUG is off unless it is asked for.
"""

import sys
from pathlib import Path

import environ
import fontpkg_inter
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from billing_portal.logging import logging_settings

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()


def secret(name: str) -> str:
    """The secret of that name. Raises ImproperlyConfigured with the name where it is missing."""
    value = env.str(name, default="")
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. Put it into the environment; docs/operations.md says how.")
    return value


# --- Where and how it runs ----------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
DEMO = env.bool("DEMO", default=False)
SECRET_KEY = secret("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
# Every link in a mail starts with this, so a forged Host header can never poison one (T18).
BASE_URL = env.str("BASE_URL", default="http://localhost:8000").rstrip("/")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
HTTPS = BASE_URL.startswith("https://")
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)

ROOT_URLCONF = "billing_portal.urls"
WSGI_APPLICATION = "billing_portal.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "core",
    "accounts",
    "profiles",
    "subscriptions",
    "invoices",
    "payments",
    "payments.gateways.sandbox",
    "support",
    "billing_portal",
    "billing_portal.demo",
    "billing_portal.staff_app.StaffConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_countries",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "crispy_forms",
    "crispy_bootstrap5",
    "django_htmx",
    "template_partials",
    "js_lib_bootstrap5",
    "heroicons",
    "pgtrigger",
    "pghistory",
    "csp",
]

MIDDLEWARE = [
    "billing_portal.logging.RequestReferenceMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "core.middleware.SeenMiddleware",
    "core.middleware.PreferenceMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "billing_portal.middleware.ViewingMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "core.middleware.HtmxRedirectMiddleware",
    "core.middleware.ActorMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "billing_portal.context.shell",
            ],
            "builtins": ["core.templatetags.ui", "django.templatetags.i18n"],
        },
    }
]

# --- Database -----------------------------------------------------------------------------------

# PostgreSQL only. DATABASE_ADMIN_URL, where given, is the owner who migrates; DATABASE_URL may then
# be a role without DDL and without UPDATE or DELETE on append-only tables (I6).
_admin_command = len(sys.argv) > 1 and sys.argv[1] in {"migrate", "sqlmigrate", "showmigrations"}
_database_url = env.str("DATABASE_ADMIN_URL", default="") if _admin_command else ""
if not _database_url:
    secret("DATABASE_URL")
    _database_url = env.str("DATABASE_URL")
DATABASES = {"default": env.db_url_config(_database_url)}
if "postgresql" not in DATABASES["default"]["ENGINE"]:
    raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL database: postgres://user:password@host:5432/name")
DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=600)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = env.bool("DISABLE_SERVER_SIDE_CURSORS", default=False)

# Drawn pieces of the frame, each under all that it depends on: nothing in it ever has to be thrown away early.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 2000}}}

# --- People and sign-in -------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("name", "email")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "start"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_PREVENT_ENUMERATION = True
# Twelve hours for everybody; there is nothing to choose.
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_FORMS = {
    "login": "accounts.sign_in.LoginForm",
    "reset_password_from_key": "accounts.sign_in.NewPasswordForm",
    "reset_password": "accounts.sign_in.ResetPasswordForm",
    "change_password": "accounts.sign_in.ChangePasswordForm",
}
# Counted in the database by accounts.services.limits; allauth counts in the cache, which each process has for itself.
ACCOUNT_RATE_LIMITS = False
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT
PASSWORD_RESET_TIMEOUT = 30 * 60
# allauth's own generator keeps a second list of addresses, and writes to it when somebody asks for a link.
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "django.contrib.auth.tokens.PasswordResetTokenGenerator"  # noqa: S105
INVITATION_DAYS = 7
# Second factors: authenticator app, passkey, recovery codes. Owners, administrators and staff need one; somebody who
# came in a short while ago may go on without for so many days (0: none at all).
SECOND_FACTOR_GRACE_DAYS = env.int("SECOND_FACTOR_GRACE_DAYS", default=14)
MFA_ADAPTER = "accounts.adapter.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_FORMS = {
    "authenticate": "accounts.second_factor.AuthenticateForm",
    "reauthenticate": "accounts.second_factor.ReauthenticateForm",
    "activate_totp": "accounts.second_factor.ActivateTOTPForm",
    "add_webauthn": "accounts.second_factor.AddPasskeyForm",
}
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_ALLOW_UNVERIFIED_EMAIL = True  # allauth's own list of addresses is not used
# A clock may be wrong by one step of thirty seconds. A code is taken once, all the same.
MFA_TOTP_TOLERANCE = 1
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS and (DEBUG or DEMO)
ACCOUNT_REAUTHENTICATION_TIMEOUT = 20 * 60
# Alternate e-mail and phone help to a new password once they have been in force for so many days.
RECOVERY_DAYS = env.int("RECOVERY_DAYS", default=3)
# Owners review who has access to their account after so many months, unless they choose otherwise; 0 is never.
ACCESS_REVIEW_MONTHS = env.int("ACCESS_REVIEW_MONTHS", default=12)
# Whoever looks after an account or its people is signed out after so long without a click.
IDLE_MINUTES = 30

SESSION_ENGINE = "core.sessions"
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "billing_portal.views.csrf_failure"
if HTTPS:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME = "__Host-session"
    CSRF_COOKIE_NAME = "__Host-csrf"
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
    SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
if TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- Payments -----------------------------------------------------------------------------------

PAYMENT_GATEWAY = env.str("PAYMENT_GATEWAY", default="sandbox")
# The sandbox moves no money; production has to ask for it by name.
SANDBOX_GATEWAY_ALLOWED = env.bool("SANDBOX_GATEWAY_ALLOWED", default=DEBUG or DEMO)
SANDBOX_WEBHOOK_SECRET = env.str("SANDBOX_WEBHOOK_SECRET", default="") or SECRET_KEY
# Who may ask to pay by bank transfer: a customer for so many months, who spends so many minor units (cents) in one.
TRANSFER_CUSTOMER_MONTHS = env.int("TRANSFER_CUSTOMER_MONTHS", default=6)
TRANSFER_MONTHLY_MINIMUM = env.int("TRANSFER_MONTHLY_MINIMUM", default=50_000)
# Refunds and write-offs above so many whole units of the currency need a second person.
SECOND_PERSON_ABOVE = env.int("SECOND_PERSON_ABOVE", default=250)
# The most that may be paid at once, in whole units of the currency, by family of payment method.
PAYMENT_LIMITS = env.dict("PAYMENT_LIMITS", cast={"value": int}, default={"card": 50_000, "wallet": 50_000})
# Days between the notice of a direct debit and the debit, as agreed in the mandate that the customer signs.
DEBIT_NOTICE_DAYS = env.int("DEBIT_NOTICE_DAYS", default=2)
STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", default="")
# Several while one is replaced by the next.
STRIPE_WEBHOOK_SECRETS = env.list("STRIPE_WEBHOOK_SECRETS", default=[])
STRIPE_API_BASE = env.str("STRIPE_API_BASE", default="https://api.stripe.com")
STRIPE_TIMEOUT_SECONDS = env.float("STRIPE_TIMEOUT_SECONDS", default=20.0)
# Where a person is sent: the hosted pages, and what stands between them and the bank's check.
GATEWAY_PAGES = {"stripe": ["https://checkout.stripe.com", "https://hooks.stripe.com"]}

# --- Headers ------------------------------------------------------------------------------------

SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "img-src": [SELF, "data:"],
        # A form may end at the gateway: its page for methods and payments, and the bank's check.
        "form-action": [SELF, *GATEWAY_PAGES.get(PAYMENT_GATEWAY, [])],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# --- Input --------------------------------------------------------------------------------------

DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500

# --- Language, time -----------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("nl", _("Dutch"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["core.formats"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- Files --------------------------------------------------------------------------------------

STATIC_URL = "static/"
# The typeface of the invoices is that of the pages: its package holds the files.
STATICFILES_DIRS = [BASE_DIR / "static", ("fonts", fontpkg_inter.ROOT / "files")]
MEDIA_ROOT = Path(env.str("MEDIA_ROOT", default=str(BASE_DIR / "media")))
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
# Hashing and compression belong to the production build (collectstatic); a trial serves plain files.
HASHED_STATIC = env.bool("HASHED_STATIC", default=not DEBUG)
STATIC_ROOT = BASE_DIR / "staticfiles" if HASHED_STATIC else None
WHITENOISE_USE_FINDERS = not HASHED_STATIC
WHITENOISE_AUTOREFRESH = False
STORAGES = {
    "default": {"BACKEND": "core.storage.WholeFileStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if HASHED_STATIC
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# --- Mail ---------------------------------------------------------------------------------------

EMAIL_CONFIG = env.email_url("EMAIL_URL", default="smtp://localhost:25")
vars().update(EMAIL_CONFIG)
if DEMO and not env.str("EMAIL_URL", default=""):
    EMAIL_BACKEND = "billing_portal.demo.mail.DemoBackend"
EMAIL_TIMEOUT = 20
# The service whose reports of mail that came back are taken in at /webhooks/mail/<service>/, and what anymail has to
# know of it: its webhook secret ("user:password", or several), and keys where mail goes by its API.
MAIL_SERVICE = env.str("MAIL_SERVICE", default="")
ANYMAIL = env.json("ANYMAIL", default={})
if MAIL_SERVICE and not DEMO and not env.str("EMAIL_URL", default=""):
    EMAIL_BACKEND = f"anymail.backends.{MAIL_SERVICE}.EmailBackend"
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="billing@localhost")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# Text messages: console: or the https:// address of a carrier; core/sms.py says how it is called. A class of another
# kind is named by SMS_CARRIER. Without either nobody gets a text message.
SMS_URL = env.str("SMS_URL", default="")
SMS_CARRIER = env.str("SMS_CARRIER", default="")
if DEMO and not SMS_URL and not SMS_CARRIER:
    SMS_CARRIER = "billing_portal.demo.mail.DemoCarrier"
SMS_TIMEOUT = 20
# Where numbers may be (ISO 3166), and how many messages may go out in a day: a carrier costs money (T23).
EUROPE = "AT,BE,BG,CH,CY,CZ,DE,DK,EE,ES,FI,FR,GB,GR,HR,HU,IE,IS,IT,LI,LT,LU,LV,MT,NL,NO,PL,PT,RO,SE,SI,SK"
SMS_COUNTRIES = env.list("SMS_COUNTRIES", default=[*EUROPE.split(","), "CA", "US"])
SMS_PER_DAY = env.int("SMS_PER_DAY", default=500)

# --- Work in the background ---------------------------------------------------------------------

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="")
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True

# --- VAT IDs ------------------------------------------------------------------------------------

# Who says whether a VAT ID is registered: vies, fake (a demo: knows every number but a few), or off.
VAT_VERIFIER = env.str("VAT_VERIFIER", default="fake" if DEMO else "vies")
if VAT_VERIFIER not in {"vies", "fake", "off"}:
    raise ImproperlyConfigured(f"VAT_VERIFIER is {VAT_VERIFIER}; use vies, fake or off.")
VIES_URL = env.str("VIES_URL", default="https://ec.europa.eu/taxation_customs/vies/rest-api")

# --- Look ---------------------------------------------------------------------------------------

CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"
PORTAL_NAME = env.str("PORTAL_NAME", default="")

# --- Log ----------------------------------------------------------------------------------------

LOG_FORMAT = env.str("LOG_FORMAT", default="console" if DEBUG else "json")
LOGGING = logging_settings(LOG_FORMAT)
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
