"""Why a payment was declined, in words, and what to do about it (S3-16 … S3-20)."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from payments.gateways.base import DeclineReason

Text = str | Promise


@dataclass(frozen=True)
class Decline:
    """A reason as people read it. `short` fits a list; `advice` are the things to check, in order.

    `is_about_card` is false where the card is not at fault, so it is not marked as declined. `is_hard`: the same
    method will be refused again, so nobody retries by itself; `asks_person`: the bank lets it through only when
    its holder confirms.
    """

    short: Text
    sentence: Text
    advice: tuple[Text, ...]
    is_about_card: bool = True
    is_hard: bool = False
    asks_person: bool = False


# S3-17: what helps with nearly every refusal.
_ASK_BANK = _("Ask your bank why it refused: we are not told more than this.")
_INTERNATIONAL = _("Check that the card may be used for international payments.")
_BALANCE = _("Check that the account has enough balance, and the card enough limit, for this amount.")
_RECURRING = _("Check that the card allows recurring payments and payments on the internet.")
_DETAILS = _("Check that number, expiry date and security code are exactly those on the card.")
_ANOTHER = _("Pay with another card.")
_ADD_ANOTHER = _("Add another card.")

DECLINES: dict[DeclineReason, Decline] = {
    DeclineReason.DECLINED_BY_BANK: Decline(
        _("refused by the bank"),
        _("Your bank refused the payment without saying why."),
        (_ASK_BANK, _BALANCE, _INTERNATIONAL, _RECURRING, _ANOTHER),
    ),
    DeclineReason.INSUFFICIENT_FUNDS: Decline(
        _("not enough balance"),
        _("There is not enough balance on the account."),
        (_BALANCE, _ANOTHER),
    ),
    DeclineReason.LIMIT_EXCEEDED: Decline(
        _("over the card's limit"),
        _("The amount is above what this card may pay at once or in this period."),
        (_("Ask your bank to raise the limit of the card."), _("Pay a part of the amount, or use another card.")),
    ),
    DeclineReason.CARD_BLOCKED: Decline(
        _("card blocked by the bank"),
        _("Your bank has blocked this card."),
        (_("Ask your bank to unblock the card, or to send a new one."), _ANOTHER),
        is_hard=True,
    ),
    DeclineReason.CARD_EXPIRED: Decline(
        _("card expired"),
        _("This card has expired."),
        (_("Add the new card that your bank sent you."), _ANOTHER),
        is_hard=True,
    ),
    DeclineReason.INCORRECT_DETAILS: Decline(
        _("card details not correct"),
        _("The details do not fit the card."),
        (_DETAILS, _("Add the card again."), _ASK_BANK),
        is_hard=True,
    ),
    DeclineReason.INTERNATIONAL_NOT_ENABLED: Decline(
        _("not open for international payments"),
        _("This card is not open for international payments."),
        (_("Ask your bank to open the card for international payments."), _ANOTHER),
        is_hard=True,
    ),
    DeclineReason.RECURRING_NOT_ENABLED: Decline(
        _("not open for recurring payments"),
        _("This card does not allow recurring payments."),
        (_("Ask your bank to allow recurring payments on the card."), _ANOTHER),
        is_hard=True,
    ),
    DeclineReason.NOT_ACCEPTED: Decline(
        _("kind of card not accepted"),
        _("Cards of this kind are not accepted: prepaid and virtual cards, and cards of another country."),
        (_ADD_ANOTHER,),
        is_hard=True,
    ),
    DeclineReason.ACCOUNT_CLOSED: Decline(
        _("bank account closed"),
        _("The bank account is closed, or its number is not known at the bank."),
        (_("Sign a mandate for another bank account, or pay in another way."), _ASK_BANK),
        is_hard=True,
    ),
    DeclineReason.DEBIT_NOT_AUTHORISED: Decline(
        _("direct debit not allowed"),
        _("The bank account may not be debited: the mandate was withdrawn, or direct debit is blocked at the bank."),
        (_("Ask your bank to allow direct debits on this account."), _("Sign a new mandate, or pay in another way.")),
        is_hard=True,
    ),
    DeclineReason.ANOTHER_CARD: Decline(
        _("another card"),
        _("That is another card: its number differs. The card you have was not changed."),
        (_("Enter the number of the same card again."), _("Or add the new card, and let it replace the old one.")),
        is_about_card=False,
    ),
    DeclineReason.SUSPECTED_FRAUD: Decline(
        _("stopped as suspicious"),
        _("The payment was stopped because it looked suspicious."),
        (_("Call your bank and confirm that the payment is yours."), _ANOTHER),
        is_hard=True,
    ),
    DeclineReason.AUTHENTICATION_FAILED: Decline(
        _("not confirmed at the bank"),
        _("The payment was not confirmed in your bank's check."),
        (_("Try again and confirm it in your bank's app or by its code."), _ASK_BANK),
        is_about_card=False,
    ),
    DeclineReason.AUTHENTICATION_REQUIRED: Decline(
        _("the bank wants a confirmation"),
        _("Your bank only lets this payment through when you confirm it yourself."),
        (_("Open the invoice, choose Pay now, and confirm the payment at your bank."),),
        is_about_card=False,
        asks_person=True,
    ),
    DeclineReason.GATEWAY_TROUBLE: Decline(
        _("trouble at the payment provider"),
        _("The payment provider could not handle the payment. Nothing is wrong with your card."),
        (_("Try again in a few minutes."), _ANOTHER),
        is_about_card=False,
    ),
    DeclineReason.NEVER_RECEIVED: Decline(
        _("did not reach the payment provider"),
        _("The payment did not reach the payment provider. No money was taken."),
        (_("Pay again; nothing is paid twice."),),
        is_about_card=False,
    ),
}


def explain(reason: str) -> Decline:
    """The words for a stored reason; one we have no words for reads as a refusal without a reason."""
    known = reason if reason in set(DeclineReason) else DeclineReason.DECLINED_BY_BANK
    return DECLINES[DeclineReason(known)]
