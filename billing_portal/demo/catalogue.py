"""What the vendor of the demo is and sells."""

from typing import Any

SELLER: dict[str, Any] = {
    "legal_name": "Noordzee Cloud B.V.",
    "line1": "Boompjes 40",
    "postal_code": "3011 XB",
    "city": "Rotterdam",
    "country": "NL",
    "vat_id": "NL000099998B57",
    "registration_number": "24123456",
    "iban": "NL91ABNA0417164300",
    "bic": "ABNANL2A",
    "email": "facturen@noordzeecloud.example",
    "phone": "+31102001000",
    "time_zone": "Europe/Amsterdam",
    "number_prefix": "G",
    "payment_term_days": 30,
}

# Prices are per unit and term, in euro, without VAT.
PRODUCTS: tuple[dict[str, Any], ...] = (
    {
        "code": "wms-professional",
        "name": "WMS Professional, licence",
        "name_nl": "WMS Professional, licentie",
        "description": "Warehouse management for one workplace",
        "description_nl": "Magazijnbeheer voor één werkplek",
        "service_name": "Licences and support",
        "prices": {"monthly": "31.23", "yearly": "337.00"},
    },
    {
        "code": "scanner-link",
        "name": "Scanner link",
        "name_nl": "Scannerkoppeling",
        "description": "Connects a hand-held scanner to the warehouse system",
        "description_nl": "Verbindt een handscanner met het magazijnsysteem",
        "service_name": "Licences and support",
        "prices": {"monthly": "72.50"},
    },
    {
        "code": "office",
        "name": "Office licence",
        "name_nl": "Office-licentie",
        "description": "Mail, documents and meetings for one person",
        "description_nl": "E-mail, documenten en vergaderen voor één persoon",
        "service_name": "Licences and support",
        "prices": {"monthly": "11.70", "yearly": "126.00"},
    },
    {
        "code": "backup",
        "name": "Backup 30 days, 1 TB",
        "name_nl": "Back-up 30 dagen, 1 TB",
        "description": "A copy of every day, kept for thirty days",
        "description_nl": "Een kopie van elke dag, dertig dagen bewaard",
        "service_name": "Storage and network",
        "prices": {"monthly": "59.00", "quarterly": "169.00"},
    },
    {
        "code": "support-standard",
        "name": "Support Standard",
        "name_nl": "Ondersteuning Standaard",
        "description": "Answers on working days within four hours",
        "description_nl": "Antwoord op werkdagen binnen vier uur",
        "service_name": "Licences and support",
        "prices": {"monthly": "301.58"},
    },
    {
        "code": "migration",
        "name": "Migration, one day",
        "name_nl": "Migratie, één dag",
        "description": "A specialist helps you move, once",
        "description_nl": "Een specialist helpt u verhuizen, eenmalig",
        "service_name": "Licences and support",
        "prices": {"one_off": "1120.00"},
    },
)
