"""The commands of the console script ``localsup``, one module for each."""
