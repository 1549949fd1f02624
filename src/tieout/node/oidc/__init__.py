"""People who sign in with the account that their house gave them (OpenID Connect)."""
