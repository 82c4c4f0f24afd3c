"""Addresses of invoices."""

from django.urls import URLPattern, path

from invoices import views

urlpatterns: list[URLPattern] = [
    path("billing-accounts/<code:code>/invoices/", views.invoices, name="invoices"),
    path("invoices/<code:code>/", views.invoice, name="invoice"),
    path("invoices/<code:code>/pdf/", views.invoice_pdf, name="invoice_pdf"),
    path("invoices/<code:code>/deliveries/<int:delivery_id>/resend/", views.delivery_resend, name="delivery_resend"),
]
