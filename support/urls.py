"""Addresses of support requests."""

from django.urls import path

from support import views

IN_ACCOUNT = "billing-accounts/<code:code>/support-requests/"
ONE = "support-requests/<code:code>/"

urlpatterns = [
    path(IN_ACCOUNT, views.support_requests, name="support_requests"),
    path(f"{IN_ACCOUNT}new/", views.support_request_new, name="support_request_new"),
    path("invoices/<code:code>/dispute/", views.invoice_dispute, name="invoice_dispute"),
    path(f"{ONE}dispute-withdrawal/", views.dispute_withdrawal, name="dispute_withdrawal"),
    path(ONE, views.support_request, name="support_request"),
    path(f"{ONE}messages/", views.support_request_message, name="support_request_message"),
    path(f"{ONE}closing/", views.support_request_closing, name="support_request_closing"),
    path(f"{ONE}files/<int:file>/", views.support_file, name="support_file"),
]
