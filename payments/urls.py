"""Addresses of payment methods, payments and webhooks; those of the sandbox where it is allowed."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from payments.views import (
    approvals,
    closing,
    collecting,
    links,
    methods,
    one_method,
    papers,
    payments,
    remittances,
    several,
    transfers,
    webhooks,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("billing-accounts/<code:code>/payment-methods/", methods.payment_methods, name="payment_methods"),
    path("billing-accounts/<code:code>/payment-methods/new/", methods.card_new, name="card_new"),
    path("billing-accounts/<code:code>/payments/", payments.payments, name="payments"),
    path(
        "billing-profiles/<code:code>/payment-methods/", methods.profile_payment_methods, name="profile_payment_methods"
    ),
    path("billing-profiles/<code:code>/payment-methods/new/", methods.profile_card_new, name="profile_card_new"),
    path(
        "billing-profiles/<code:code>/payment-methods/default/",
        methods.profile_default_method,
        name="profile_default_method",
    ),
    path(
        "billing-profiles/<code:code>/payment-methods/unlinking/",
        closing.profile_method_unlinking,
        name="profile_method_unlinking",
    ),
    path("billing-accounts/<code:code>/closing/", closing.account_closing, name="account_closing"),
    path("billing-profiles/<code:code>/closing/", closing.profile_closing, name="profile_closing"),
    path(
        "billing-profiles/<code:code>/payment-methods/backup/",
        methods.profile_backup_method,
        name="profile_backup_method",
    ),
    path(
        "subscriptions/<code:code>/payment-methods/",
        methods.subscription_payment_methods,
        name="subscription_payment_methods",
    ),
    path("subscriptions/<code:code>/payment-method/", methods.subscription_method, name="subscription_method"),
    path("subscriptions/<code:code>/payment-method/new/", methods.subscription_card_new, name="subscription_card_new"),
    path("payment-methods/<code:code>/", one_method.payment_method, name="payment_method"),
    path("payment-methods/<code:code>/edit/", one_method.method_edit, name="method_edit"),
    path("payment-methods/<code:code>/replacement/", one_method.method_replacement, name="method_replacement"),
    path("payment-methods/<code:code>/removal/", one_method.method_removal, name="method_removal"),
    path("payment-methods/<code:code>/removal/plan/", one_method.method_removal_plan, name="method_removal_plan"),
    path(
        "payment-methods/<code:code>/removal/withdrawal/",
        one_method.method_removal_withdrawal,
        name="method_removal_withdrawal",
    ),
    path(
        "billing-profiles/<code:code>/payment-methods/transfer/",
        transfers.profile_transfer_new,
        name="profile_transfer_new",
    ),
    path(
        "billing-accounts/<code:code>/payment-methods/transfer/",
        transfers.account_transfer_new,
        name="account_transfer_new",
    ),
    path("transfer-requests/<code:code>/", transfers.transfer_request, name="transfer_request"),
    path("transfer-requests/<code:code>/answer/", transfers.transfer_answer, name="transfer_answer"),
    path("transfer-requests/<code:code>/withdrawal/", transfers.transfer_withdrawal, name="transfer_withdrawal"),
    path("card-setups/<code:code>/return/", methods.card_setup_return, name="card_setup_return"),
    path("invoices/<code:code>/payment/", payments.invoice_payment, name="invoice_payment"),
    path("billing-profiles/<code:code>/payment/", several.profile_payment, name="profile_payment"),
    path("billing-accounts/<code:code>/balance/", several.account_balance, name="account_balance"),
    path("invoices/<code:code>/balance/", collecting.invoice_balance, name="invoice_balance"),
    path("invoices/<code:code>/promise/", collecting.invoice_promise, name="invoice_promise"),
    path(
        "invoices/<code:code>/payment-links/revocation/",
        collecting.invoice_links_revocation,
        name="invoice_links_revocation",
    ),
    path(
        "billing-profiles/<code:code>/payment-methods/automatic/",
        collecting.profile_automatic_payment,
        name="profile_automatic_payment",
    ),
    path(
        "subscriptions/<code:code>/payment-methods/automatic/",
        collecting.subscription_automatic_payment,
        name="subscription_automatic_payment",
    ),
    path("pay/<str:token>/", links.pay_link, name="pay_link"),
    path("pay/<str:token>/result/", links.pay_link_result, name="pay_link_result"),
    path("payments/<code:code>/", payments.payment, name="payment"),
    path(
        "billing-profiles/<code:code>/payment-approval/",
        approvals.profile_payment_approval,
        name="profile_payment_approval",
    ),
    path("billing-accounts/<code:code>/prepared-payments/", approvals.prepared_payments, name="prepared_payments"),
    path("prepared-payments/<code:code>/", approvals.prepared_payment, name="prepared_payment"),
    path(
        "prepared-payments/<code:code>/approval/",
        approvals.prepared_payment_approval,
        name="prepared_payment_approval",
    ),
    path("prepared-payments/<code:code>/refusal/", approvals.prepared_payment_refusal, name="prepared_payment_refusal"),
    path(
        "prepared-payments/<code:code>/withdrawal/",
        approvals.prepared_payment_withdrawal,
        name="prepared_payment_withdrawal",
    ),
    path("payments/<code:code>/receipt/", payments.payment_receipt, name="payment_receipt"),
    path("payments/<code:code>/receipt/pdf/", papers.payment_receipt_pdf, name="payment_receipt_pdf"),
    path("billing-accounts/<code:code>/statements/", papers.statements, name="statements"),
    path("billing-accounts/<code:code>/statements/new/", papers.statement_new, name="statement_new"),
    path("statements/<code:code>/", papers.statement, name="statement"),
    path("statements/<code:code>/pdf/", papers.statement_pdf, name="statement_pdf"),
    path("billing-accounts/<code:code>/remittances/", remittances.remittances, name="remittances"),
    path("billing-accounts/<code:code>/remittances/new/", remittances.remittance_new, name="remittance_new"),
    path("remittances/<code:code>/", remittances.remittance, name="remittance"),
    path("remittances/<code:code>/payment-file/", remittances.remittance_payment_file, name="remittance_payment_file"),
    path("remittances/<code:code>/pdf/", remittances.remittance_pdf, name="remittance_pdf"),
    path("payments/<code:code>/return/", payments.payment_return, name="payment_return"),
    path("payments/<code:code>/cancellation/", payments.payment_cancellation, name="payment_cancellation"),
    path("help/payment-problems/", payments.payment_problems, name="payment_problems"),
    path("webhooks/<slug:gateway>/", webhooks.gateway_webhook, name="gateway_webhook"),
]

if settings.SANDBOX_GATEWAY_ALLOWED:
    urlpatterns.append(path("sandbox/", include("payments.gateways.sandbox.urls")))
