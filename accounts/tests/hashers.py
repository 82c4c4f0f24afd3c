"""Passwords of tests are hashed by the real algorithm at its lowest cost: tests sign in hundreds of times."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class QuickArgon2(Argon2PasswordHasher):
    time_cost = 1
    memory_cost = 8
    parallelism = 1


class DearerArgon2(QuickArgon2):
    """The same after somebody has raised its cost."""

    time_cost = 2
