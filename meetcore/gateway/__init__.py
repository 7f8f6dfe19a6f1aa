"""What the API of a vendor is made of, for a server to carry out."""
