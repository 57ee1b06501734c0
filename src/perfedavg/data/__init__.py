"""Clients: built-in data sets, the client store and the client split. Stands alone: needs no
torch."""
