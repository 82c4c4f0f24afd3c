"""Addresses of invoices."""

from django.urls import URLPattern, path

from invoices import downloads, views, views_corrections, views_credits, views_deliveries, views_orders, views_usage

urlpatterns: list[URLPattern] = [
    path("billing-accounts/<code:code>/invoices/", views.invoices, name="invoices"),
    path("invoices/<code:code>/", views.invoice, name="invoice"),
    path("billing-accounts/<code:code>/invoices/zip/", downloads.invoices_zip, name="invoices_zip"),
    path("invoices/<code:code>/pdf/", downloads.invoice_pdf, name="invoice_pdf"),
    path("invoices/<code:code>/ubl/", downloads.invoice_ubl, name="invoice_ubl"),
    path("invoices/<code:code>/csv/", downloads.invoice_csv, name="invoice_csv"),
    path(
        "billing-profiles/<code:code>/credit-balance/",
        views_credits.profile_credit_balance,
        name="profile_credit_balance",
    ),
    path("billing-profiles/<code:code>/credits/", views_credits.profile_credits, name="profile_credits"),
    path("billing-profiles/<code:code>/next-invoice/", views.profile_next_invoice, name="profile_next_invoice"),
    path("billing-accounts/<code:code>/purchase-orders/", views_orders.purchase_orders, name="purchase_orders"),
    path(
        "billing-profiles/<code:code>/purchase-orders/",
        views_orders.profile_purchase_orders,
        name="profile_purchase_orders",
    ),
    path(
        "billing-profiles/<code:code>/purchase-orders/new/",
        views_orders.profile_purchase_order_new,
        name="profile_purchase_order_new",
    ),
    path("purchase-orders/<code:code>/", views_orders.purchase_order_detail, name="purchase_order_detail"),
    path("purchase-orders/<code:code>/edit/", views_orders.purchase_order_edit, name="purchase_order_edit"),
    path("purchase-orders/<code:code>/closing/", views_orders.purchase_order_closing, name="purchase_order_closing"),
    path(
        "invoices/<code:code>/corrections/new/",
        views_corrections.correction_request_new,
        name="correction_request_new",
    ),
    path("corrections/<code:code>/", views_corrections.correction_request, name="correction_request"),
    path(
        "corrections/<code:code>/withdrawal/",
        views_corrections.correction_request_withdrawal,
        name="correction_request_withdrawal",
    ),
    path("invoices/<code:code>/usage/", views_usage.invoice_usage, name="invoice_usage"),
    path("invoices/<code:code>/usage/csv/", views_usage.invoice_usage_csv, name="invoice_usage_csv"),
    path("check/", downloads.document_check, name="document_check"),
    path("check/<code:code>/", downloads.document_check_result, name="document_check_result"),
    path("invoices/<code:code>/sending/", views_deliveries.invoice_sending, name="invoice_sending"),
    path(
        "invoices/<code:code>/deliveries/<int:delivery_id>/resend/",
        views_deliveries.delivery_resend,
        name="delivery_resend",
    ),
    path(
        "invoices/<code:code>/deliveries/<int:delivery_id>/repair/",
        views_deliveries.delivery_repair,
        name="delivery_repair",
    ),
]
