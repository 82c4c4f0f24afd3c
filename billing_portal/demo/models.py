"""What only a demo has: the mark that this database is one, and the mails it would have sent."""

from django.db import models
from django.db.models import Value
from django.utils import timezone


class DemoMarker(models.Model):
    """Written into an empty database before the demo world is made. Without it nothing of the demo answers."""

    made_at = models.DateTimeField(default=timezone.now, editable=False)
    # A world that was interrupted while it was made is thrown away and made again.
    is_whole = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(Value(1), name="one_demo_marker")]

    def __str__(self) -> str:
        return f"demo of {self.made_at:%Y-%m-%d}"


class DemoMail(models.Model):
    """A mail as its recipient would have got it."""

    recipient = models.EmailField(max_length=254)
    subject = models.CharField(max_length=500)
    text = models.TextField()
    html = models.TextField(blank=True)
    # Names of what was attached; an invoice opens from its page.
    attachments = models.JSONField(default=list)
    sent_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-sent_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.recipient}: {self.subject}"
