"""Bearer tokens of the firm's own sign-on (OpenID Connect): checked here, made elsewhere."""
