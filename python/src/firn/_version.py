"""What this client is called; the server's version is held against it in the tests."""

version = "0.1.0"
